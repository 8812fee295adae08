"""Import torchvision, also where its wheel was built for another torch than the one installed.

torchvision's wheel is built against CUDA torch. Beside a CPU-only torch its compiled library does
not load, the operators of that library are never declared, and `import torchvision` fails where
it gives two of them a shape rule: "operator torchvision::nms does not exist". jtdiag needs
neither operator, only data sets, transforms and models, and these work once the operators are
declared. Calling one of the two still fails, as it must, with torchvision's own explanation.

The detour may go when CPU-only torch and the plain torchvision wheel import side by side.
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
"""Keeps the declarations alive: torch withdraws them when their library object goes."""


def import_torchvision() -> ModuleType:
    """Return the module torchvision; a second call costs nothing and declares nothing.

    Raises:
        DataError: torchvision is not installed.
        Exception: Whatever else its import raises, as it is.
    """
    try:
        return importlib.import_module(_NAME)
    except ModuleNotFoundError as error:
        if error.name != _NAME:
            raise  # torchvision is there, and misses a package of its own
        raise DataError(
            "torchvision is not installed, and this data set needs it: pip install torchvision."
        ) from error
    except RuntimeError as error:
        if not mended(error):
            raise
    return importlib.import_module(_NAME)


def mended(error: Exception) -> bool:
    """Tell whether an import failed for what torchvision lacks, and declare that if so."""
    if _SYMPTOM not in str(error):
        return False
    _declare_operators()
    _forget_half_imported()
    return True


def _declare_operators() -> None:
    """Declare the two operators that torchvision's own library would have declared."""
    # A fragment, since "DEF" would claim the whole namespace.
    library = torch.library.Library(_NAME, "FRAGMENT")  # type: ignore[no-untyped-call]
    _declared.append(library)
    for schema in _SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]


def _forget_half_imported() -> None:
    """Drop the submodules that the failed import left behind, so that all of it runs again."""
    for module in list(sys.modules):
        if module.partition(".")[0] == _NAME:
            del sys.modules[module]
