"""Makes torchvision importable beside a CPU build of torch, for the libraries that import it.

The wheel of torchvision that pip installs by default is built for CUDA. Beside a CPU build of
torch, importing it, and with it `transformers.Trainer` or Lightning, fails with "operator
torchvision::nms does not exist". Call `repair` before the library is imported; the adapters in this
package call it themselves.
"""

from jtdiag.engine.torchvision_import import import_torchvision


def repair() -> bool:
    """Import torchvision, with a workaround if the import fails because of missing operators.

    Nothing installed is changed. Image operators such as non-maximum suppression cannot be used
    afterwards if they could not be used before.

    Returns:
        Whether torchvision can be imported now. It is no error if it is not installed, or broken
        in another way: not every program that uses these libraries needs it.
    """
    try:
        import_torchvision()
    except Exception:  # noqa: BLE001 - whoever needs torchvision will see the reason
        return False
    return True
