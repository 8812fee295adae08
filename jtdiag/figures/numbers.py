"""Write the numbers behind a figure as CSV or NetCDF."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jtdiag import files
from jtdiag.tables.escaping import csv_cell, line

FORMATS = ("csv", "nc")


def write(data: dict[str, xr.Dataset], path: Path, figure: str, origin: str) -> None:
    """Write the numbers of a figure.

    Args:
        data: The variables that are drawn, by run.
        path: File with the suffix ``.csv`` or ``.nc``.
        figure: Name of the figure.
        origin: What the numbers were made from.

    Raises:
        OSError: if the file cannot be written.
    """
    if path.suffix == ".csv":
        _write_csv(data, path, figure, origin)
        return
    runs = [dataset.expand_dims(run=[name]) for name, dataset in data.items()]
    combined = xr.concat(runs, "run", join="outer", combine_attrs="drop_conflicts")
    with files.replacing(path) as draft:
        combined.assign_attrs(figure=figure, origin=origin).to_netcdf(draft, engine="scipy")


def _write_csv(data: dict[str, xr.Dataset], path: Path, figure: str, origin: str) -> None:
    """Write one row per number, with its coordinates; blank where it lacks a dimension.

    The first line is a comment; pandas skips it with ``comment="#"``.
    """
    dims = list(dict.fromkeys(str(dim) for dataset in data.values() for dim in dataset.dims))
    with files.replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# figure {figure}; {line(origin)}\n")
        rows = csv.writer(file)
        rows.writerow(["run", "variable", "unit", *dims, "value"])
        for run, dataset in data.items():
            for name, values in dataset.data_vars.items():
                start = [csv_cell(run), name, values.attrs.get("unit", "")]
                rows.writerows([*start, *place, value] for place, value in _cells(values, dims))


def _cells(values: xr.DataArray, dims: list[str]) -> Iterator[tuple[list[Any], Any]]:
    """Yield each number with its coordinate along every dimension, without NaN."""
    coords = {
        dim: values[dim].values if dim in values.coords else np.arange(values.sizes[dim])
        for dim in map(str, values.dims)
    }
    array = values.values
    for index in np.ndindex(array.shape):
        number = array[index]
        if number == number:  # not NaN
            position = dict(zip(coords, index, strict=True))
            place = [coords[d][position[d]] if d in position else "" for d in dims]
            yield [csv_cell(p) if isinstance(p, str) else p for p in place], number
