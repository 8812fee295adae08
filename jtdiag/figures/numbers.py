"""The numbers behind a figure, as a table or as NetCDF, with what they were made from."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

FORMATS = ("csv", "nc")


def write(behind: dict[str, xr.Dataset], path: Path, figure: str, origin: str) -> None:
    """Write the numbers of a figure.

    Args:
        behind: What is drawn, by run.
        path: A file that ends in ``.csv`` or ``.nc``.
        figure: Its name.
        origin: What the numbers were made from.

    Raises:
        OSError: if the disk refuses.
    """
    if path.suffix == ".csv":
        _write_csv(behind, path, figure, origin)
        return
    runs = [found.expand_dims(run=[name]) for name, found in behind.items()]
    together = xr.concat(runs, "run", join="outer", combine_attrs="drop_conflicts")
    about = {"figure": figure, "origin": origin}
    plain = {key: value for key, value in together.attrs.items() if isinstance(value, str | int)}
    together.assign_attrs(plain | about).to_netcdf(path, engine="scipy")


def _write_csv(behind: dict[str, xr.Dataset], path: Path, figure: str, origin: str) -> None:
    """Write one line for each number, with the places at which it stands; blank where it has none.

    Lines that begin with # say what it is; pandas leaves them out with ``comment="#"``.
    """
    along = list(dict.fromkeys(str(dim) for found in behind.values() for dim in found.dims))
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# figure {figure}; {origin}\n")
        rows = csv.writer(file)
        rows.writerow(["run", "variable", "unit", *along, "value"])
        for run, found in behind.items():
            for name, values in found.data_vars.items():
                head = [run, name, values.attrs.get("unit", "")]
                rows.writerows([*head, *places, value] for places, value in _cells(values, along))


def _cells(values: xr.DataArray, along: list[str]) -> Iterator[tuple[list[Any], Any]]:
    """Yield each number with its place along every dimension; what is not known is left out."""
    marks = {
        dim: values[dim].values if dim in values.coords else np.arange(values.sizes[dim])
        for dim in map(str, values.dims)
    }
    flat = values.values
    for at in np.ndindex(flat.shape):
        number = flat[at]
        if number == number:  # not NaN
            here = dict(zip(marks, at, strict=True))
            yield [marks[d][here[d]] if d in here else "" for d in along], number
