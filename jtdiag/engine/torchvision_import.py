"""Import torchvision even if its wheel was built for another torch than the one installed.

The torchvision wheel on PyPI is built against CUDA torch. With a CPU-only torch its compiled
library does not load, its operators are never declared, and `import torchvision` fails when it
registers shape functions for two of them: "operator torchvision::nms does not exist". jtdiag needs
neither operator, only data sets, transforms and models, which work once the operators are declared.
Calling an operator still fails with torchvision's own message.

This workaround can be removed when CPU-only torch and the torchvision wheel from PyPI can be
imported together.
"""

import importlib
import sys
from types import ModuleType
from typing import Final

import torch.library

from jtdiag.errors import DataError

_NAME: Final = "torchvision"
_SYMPTOM: Final = "operator torchvision::nms does not exist"
_SCHEMAS: Final = tuple(
    f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    for operator in ("nms", "qnms")
)
_declared: list[torch.library.Library] = []
"""Keeps the declarations alive: torch removes them when the library object is deleted."""


def import_torchvision() -> ModuleType:
    """Import torchvision, with the workaround if necessary.

    Raises:
        DataError: if torchvision is not installed.
        Exception: any other exception of the import, unchanged.
    """
    try:
        return importlib.import_module(_NAME)
    except ModuleNotFoundError as error:
        if error.name != _NAME:
            raise  # torchvision is installed, but one of its dependencies is missing
        raise DataError(
            "torchvision is not installed, and this data set needs it: pip install torchvision."
        ) from error
    except RuntimeError as error:
        if not fixed(error):
            raise
    return importlib.import_module(_NAME)


def fixed(error: Exception) -> bool:
    """Declare the missing operators if they are why an import failed; return whether they were."""
    if _SYMPTOM not in str(error):
        return False
    _declare_operators()
    _forget_half_imported()
    return True


def _declare_operators() -> None:
    """Declare the two operators that torchvision's compiled library would declare."""
    # A fragment, since "DEF" would claim the entire namespace.
    library = torch.library.Library(_NAME, "FRAGMENT")  # type: ignore[no-untyped-call]
    _declared.append(library)
    for schema in _SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]


def _forget_half_imported() -> None:
    """Remove what the failed import left in sys.modules, so that everything is imported again."""
    for module in list(sys.modules):
        if module.partition(".")[0] == _NAME:
            del sys.modules[module]
