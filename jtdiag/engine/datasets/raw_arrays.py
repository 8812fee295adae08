"""Examples in memory as arrays: arrays, tensors, lists, and datasets of torch and Hugging Face."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from jtdiag.errors import DataError
from jtdiag.stats import listed

KEYS: Final = ("x_train", "y_train", "x_test", "y_test")
CLASSES: Final = "classes"
LABEL_COLUMNS: Final = ("label", "labels", "target", "targets", "y")
"""Columns of a dataset of Hugging Face that can be the targets; another one is the inputs."""
Raw = dict[str, NDArray[Any]]


def raw_of(data: Any) -> tuple[Raw, bool]:
    """Return the four arrays by name, and whether the inputs are tensors (N, C, H, W).

    Args:
        data: (x_train, y_train, x_test, y_test); or (train, test), or a mapping with these two
            keys, of datasets of torch with pairs (x, y), or of Hugging Face with two columns.

    Raises:
        DataError: if the data are nothing of these.
    """
    if isinstance(data, Mapping) and {"train", "test"} <= data.keys():
        data = (data["train"], data["test"])
    if not isinstance(data, tuple | list) or len(data) not in (2, 4):
        raise DataError(
            f"it is {_described(data)}; it must be (x_train, y_train, x_test, y_test), or two "
            "datasets of torch, (train, test)."
        )
    named: Raw = {}
    if len(data) == 2:
        parts = [_examples(name, part) for name, part in zip(("train", "test"), data, strict=True)]
        values = [value for part in parts for value in part]
        classes = _classes(data[0])
        named = {CLASSES: np.array(classes)} if classes else {}
    else:
        values = list(data)
    raw = {key: _array(key, value) for key, value in zip(KEYS, values, strict=True)}
    return raw | named, isinstance(values[0], Tensor) and values[0].ndim == 4


def _examples(name: str, part: Any) -> tuple[Any, Any]:
    """Return the inputs and the targets of a dataset of torch."""
    if isinstance(part, TensorDataset) and len(part.tensors) == 2:
        return part.tensors[0], part.tensors[1]
    if hasattr(part, "column_names"):
        return _columns(name, part)
    if not isinstance(part, Dataset) or not hasattr(part, "__len__"):
        raise DataError(
            f"the {name} part is {_described(part)}; it must be a dataset of torch with a length, "
            "or pass (x_train, y_train, x_test, y_test)."
        )
    pairs = [part[i] for i in range(len(part))]
    if not pairs or any(not isinstance(pair, tuple | list) or len(pair) != 2 for pair in pairs):
        raise DataError(
            f"the examples of the {name} part must be pairs (x, y), and there must be at least one."
        )
    inputs, targets = zip(*pairs, strict=True)
    return _stacked(f"x_{name}", inputs), _stacked(f"y_{name}", targets)


def _columns(name: str, part: Any) -> tuple[Any, Any]:
    """Return the inputs and the targets of a dataset of Hugging Face, which has two columns."""
    columns = list(part.column_names)
    targets = [column for column in columns if column in LABEL_COLUMNS]
    if len(columns) != 2 or len(targets) != 1:
        raise DataError(
            f"the {name} part has the columns {listed(columns)}; keep two, the inputs and the "
            f"targets, and name the targets label: select_columns(…).rename_column(…, 'label')."
        )
    [target] = targets
    [inputs] = [column for column in columns if column != target]
    if not len(part):
        raise DataError(f"the {name} part has no examples; there must be at least one.")
    rows = [part[i] for i in range(len(part))]
    x = _stacked(f"x_{name}", [row[inputs] for row in rows])
    return x, _stacked(f"y_{name}", [row[target] for row in rows])


def _classes(part: Any) -> list[str]:
    """Return the names of the classes of a dataset, if torchvision or Hugging Face has them."""
    features = getattr(part, "features", None)
    if isinstance(features, Mapping):
        columns = [column for column in LABEL_COLUMNS if column in features]
        classes = getattr(features[columns[0]], "names", None) if columns else None
    else:
        classes = getattr(part, "classes", None)
    are_names = isinstance(classes, list | tuple) and all(isinstance(c, str) for c in classes)
    return [*classes] if classes and are_names else []


def _stacked(key: str, values: Sequence[Any]) -> Any:
    """Return values of single examples along a new first axis; a tensor if they are tensors."""
    try:
        if all(isinstance(value, Tensor) for value in values):
            return torch.stack(list(values))
        return np.stack([_array(key, value) for value in values])
    except DataError:
        raise
    except (RuntimeError, ValueError) as error:
        shapes = sorted({str(np.shape(value)) for value in values})
        raise DataError(
            f"the examples of {key} have different shapes, {', '.join(shapes[:3])}; they must have "
            "the same."
        ) from error


def _array(key: str, value: Any) -> NDArray[Any]:
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value.numpy()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{key} is {_described(value)}, which is not an array.") from error
    if array.dtype == object and all(isinstance(item, str) for item in array.flat):
        array = array.astype(str)
    if array.dtype == object:
        raise DataError(
            f"{key} is an array of Python objects; it must contain numbers, or names of classes."
        )
    return array


def _described(value: Any) -> str:
    length = f" of length {len(value)}" if isinstance(value, tuple | list) else ""
    return f"a {type(value).__name__}{length}"
