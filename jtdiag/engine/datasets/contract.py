"""What a data set provides to be used by its name: one record, `DataSource`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from jtdiag.engine.datasets.arrays import Arrays
from jtdiag.errors import DataError
from jtdiag.loading import Registry

NO_OPTIONS: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """A named data set. One file defines one, and an entry point of ``jtdiag.datasets`` names it.

    A third-party package adds a data set with the same kind of record::

        source = DataSource(name="two-moons", targets="classes", load=load)
    """

    name: str
    """Name in a recipe's ``data.name``; the same as that of the entry point."""
    targets: Literal["classes", "numbers", "either"]
    """Whether an example's target is one of K classes or K numbers. "either": the data leave
    that open, and the recipe's family decides."""
    load: Callable[..., Arrays]
    """Reads the data set. The argument is the recipe's ``data.root``; see `options`."""
    load_numbers: Callable[..., Arrays] | None = None
    """The same with numbers as targets; needed only where `targets` is "either"."""
    options: tuple[str, ...] = ()
    """Fields of [data] that `load` and `load_numbers` take as keyword arguments, such as layout."""
    uses_root: bool = False
    """Whether files below ``data.root`` are read; False for data that come with a package."""

    def read(
        self, root: Path, *, numbers: bool = False, options: Mapping[str, Any] = NO_OPTIONS
    ) -> Arrays:
        """Load the data set and check that its targets are of the kind it declares.

        Args:
            root: The recipe's ``data.root``.
            numbers: Whether the family predicts numbers; used where the data leave that open.
            options: Fields of [data] that are set.

        Raises:
            DataError: if the data are missing or invalid, or do not take an option.
        """
        for name in options:
            if name not in self.options and name != "standardize":
                raise DataError(
                    f"data.{name} is set, which data set '{self.name}' does not use; remove it."
                )
        options = {name: options[name] for name in options if name in self.options}
        if self.targets == "either" and numbers and self.load_numbers is not None:
            return self.load_numbers(root, **options)
        arrays = self.load(root, **options)
        kind = "classes" if arrays.y_train.ndim == 1 else "numbers"
        if self.targets not in (kind, "either"):
            raise DataError(
                f"Data set '{self.name}' declares targets = '{self.targets}', and y_train has "
                f"shape {arrays.y_train.shape}, which means {kind}; correct one of the two."
            )
        return arrays


SOURCES: Final[Registry[DataSource]] = Registry(
    group="jtdiag.datasets",
    kind="jtdiag.engine.datasets.contract:DataSource",
    noun="data set",
    plural="data sets",
    error=DataError,
    order=("digits", "fashion-mnist", "folder", "npz", "diabetes", "counts", "labels"),
)
"""Installed data sets, built-in and third-party."""
