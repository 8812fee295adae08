"""Drawing into axes that a user has made, in place of a new figure."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag.errors import ProbeError


class GivenAxes:
    """Stands for the figure while a figure of jtdiag is drawn into given axes.

    Args:
        axes: The axes, in reading order.
    """

    def __init__(self, axes: Sequence[Axes]) -> None:
        self.given = list(axes)
        self.panels: list[Axes] = []
        """The given axes that are used, and others if there are too few."""
        self._spare = Figure()

    @property
    def axes(self) -> list[Axes]:
        """Panels that have not been removed."""
        return [panel for panel in self.panels if panel.get_figure() is not None]

    def add_subplot(self, *_: Any, **__: Any) -> Axes:
        """Return the next of the given axes."""
        place = len(self.panels)
        panel = self.given[place] if place < len(self.given) else self._spare.add_subplot()
        self.panels.append(panel)
        return panel

    def subplots(self, rows: int = 1, columns: int = 1, *, squeeze: bool = True, **_: Any) -> Any:
        """Return the next of the given axes as an array; shared limits are not set."""
        grid = np.empty((rows, columns), object)
        for place in np.ndindex(rows, columns):
            grid[place] = self.add_subplot()
        if not squeeze:
            return grid
        return grid.item() if grid.size == 1 else grid.squeeze()

    def colorbar(self, *arguments: Any, **options: Any) -> Any:
        """Add a color bar to the user's figure."""
        figure = self.given[0].get_figure()
        assert figure is not None
        return figure.colorbar(*arguments, **options)

    def add_gridspec(self, *_: Any, **__: Any) -> Any:
        """Raise an error: panels of unequal sizes need a figure of their own."""
        raise ProbeError(
            "This figure has panels of unequal sizes and cannot be drawn into given axes; leave "
            "out ax=…."
        )

    def require_enough(self) -> None:
        """Check that every panel was drawn into given axes.

        Raises:
            ProbeError: if there were too few.
        """
        if any(panel not in self.given for panel in self.axes):
            raise ProbeError(
                f"The figure has {len(self.axes)} panels, and ax has {len(self.given)} axes; pass "
                f"ax=[…] with {len(self.axes)} axes."
            )


_current: ContextVar[GivenAxes | None] = ContextVar("given_axes", default=None)


def current() -> GivenAxes | None:
    """Return the axes to draw into; None for a new figure."""
    return _current.get()


@contextmanager
def into(axes: Sequence[Axes]) -> Iterator[GivenAxes]:
    """Draw figures into given axes within a block."""
    given = GivenAxes(axes)
    token = _current.set(given)
    try:
        yield given
    finally:
        _current.reset(token)
