"""Replace transparency, which PostScript does not support, by opaque colors."""

from typing import Any

import numpy as np
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgba, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch


def make_opaque(figure: Figure) -> None:
    """Make transparent lines and areas opaque, in the colors that they have on white.

    Areas are moved below all lines, so that they do not cover them. Rasterized lines become
    vector graphics again.
    """
    for line in figure.findobj(Line2D):
        line.set_color(to_hex(_on_white(line.get_color(), line.get_alpha())))
        line.set_alpha(None)
        line.set_rasterized(False)
    for patch in figure.findobj(Patch):
        face, edge = to_rgba(patch.get_facecolor()), to_rgba(patch.get_edgecolor())
        if 0 < face[3] < 1 or 0 < edge[3] < 1:  # legend frames; invisible patches stay invisible
            patch.set_alpha(None)
            patch.set_facecolor(_on_white(face, None))
            patch.set_edgecolor(_on_white(edge, None))
    for area in figure.findobj(Collection):
        if (area.get_alpha() or 1) < 1:
            area.set_facecolor(_on_white(area.get_facecolor(), area.get_alpha()))
            area.set_alpha(None)
            share = area.get_window_extent().height / figure.bbox.height
            area.set_zorder(0.9 - 0.3 * min(1, share))  # large areas below small ones


def _on_white(color: Any, alpha: float | None) -> Any:
    """Return the RGB values of one or several colors on a white background."""
    rgba = to_rgba_array(color, alpha)
    mixed = 1 - rgba[:, 3:] * (1 - rgba[:, :3])
    return np.squeeze(mixed).tolist()
