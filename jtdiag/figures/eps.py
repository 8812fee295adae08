"""Colours mixed with white in the place of transparency, which PostScript does not have."""

from typing import Any

import numpy as np
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgba, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch


def make_opaque(figure: Figure) -> None:
    """Replace transparent lines and areas by opaque ones that look the same on white.

    Areas go below all lines, so that they hide none. Lines drawn as pixels are drawn as lines.
    """
    for line in figure.findobj(Line2D):
        line.set_color(to_hex(_on_white(line.get_color(), line.get_alpha())))
        line.set_alpha(None)
        line.set_rasterized(False)
    for patch in figure.findobj(Patch):
        face, edge = to_rgba(patch.get_facecolor()), to_rgba(patch.get_edgecolor())
        if 0 < face[3] < 1 or 0 < edge[3] < 1:  # a legend's; what is not seen at all stays so
            patch.set_alpha(None)
            patch.set_facecolor(_on_white(face, None))
            patch.set_edgecolor(_on_white(edge, None))
    for area in figure.findobj(Collection):
        if (area.get_alpha() or 1) < 1:
            area.set_facecolor(_on_white(area.get_facecolor(), area.get_alpha()))
            area.set_alpha(None)
            share = area.get_window_extent().height / figure.bbox.height
            area.set_zorder(0.9 - 0.3 * min(1, share))  # a large one hides no small one


def _on_white(colour: Any, alpha: float | None) -> Any:
    """Return RGB of a colour, or of several, as it looks on white."""
    rgba = to_rgba_array(colour, alpha)
    mixed = 1 - rgba[:, 3:] * (1 - rgba[:, :3])
    return np.squeeze(mixed).tolist()
