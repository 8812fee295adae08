"""Folders of runs on the command line, and addresses of runs in object stores."""

from pathlib import Path
from typing import Any

import click

from jtdiag.objects.object_folder import is_address


class RunPath(click.Path):
    """The folder of a run; for an address such as s3://bucket/run, the copy on this machine.

    Args:
        whole: Whether all of a run in an object store is copied, whatever was copied before.
    """

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__(path_type=Path)
        self._whole = whole

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the folder."""
        if not is_address(value):
            return super().convert(value, param, ctx)
        from jtdiag.objects import mirror

        return mirror.local(value, whole=self._whole)


class RunOrName(click.types.StringParamType):
    """Names, among which there may be folders and addresses of runs."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the text; for an address, that of the copy on this machine."""
        return str(RUN.convert(value, param, ctx)) if is_address(value) else value


class Place(click.Path):
    """A folder to be made, or an address as text."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the folder or address."""
        return value if is_address(value) else super().convert(value, param, ctx)


RUN = RunPath()
WHOLE_RUN = RunPath(whole=True)
