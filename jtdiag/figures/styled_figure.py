"""A figure that keeps the style in which it was drawn, and that notebooks show."""

import io
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

DPI = 144
"""Resolution in notebooks, for which print resolutions would be too large."""


def fix_layout(figure: Figure, dpi: float) -> None:
    """Arrange a figure once and for all, before it is written.

    With a layout engine, matplotlib arranges a figure again for every file, and draws it twice.

    Args:
        figure: Nothing is added to it afterwards.
        dpi: Resolution at which text is measured.
    """
    engine = figure.get_layout_engine()
    if engine is None:
        return
    drawn_at = figure.dpi
    figure.dpi = dpi
    engine.execute(figure)
    figure.dpi = drawn_at
    figure.set_layout_engine(None)


class StyledFigure(Figure):
    """A figure that is written with the settings with which it was made.

    matplotlib looks up fonts when it draws, which may be long after the style was left.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # To look up the backend would import one.
        keys = (key for key in mpl.rcParams if key != "backend")
        self._settings: dict[Any, Any] = {key: mpl.rcParams[key] for key in keys}

    def savefig(self, *arguments: Any, **options: Any) -> None:
        """Write the figure, as `matplotlib.figure.Figure.savefig` does."""
        with mpl.rc_context(self._settings):
            super().savefig(*arguments, **options)

    def _repr_png_(self) -> bytes:
        """Return the figure as PNG, which notebooks show."""
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=DPI)
        return stream.getvalue()
