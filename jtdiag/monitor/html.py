"""A monitor as HTML, for notebooks."""

from collections.abc import Mapping, Sequence
from html import escape

from jtdiag.printable import printable
from jtdiag.probing.findings import Finding


def of_monitor(line: str, scalars: Mapping[str, float], findings: Sequence[Finding]) -> str:
    """Return a line, a table of the numbers of the last epoch, and a paragraph for each finding.

    Args:
        line: The monitor on one line.
        scalars: Numbers by name, such as ``jtdiag/median_skill``.
        findings: All findings so far.
    """
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(name.partition('/')[2])}</th>"
        f"<td>{number:.4g}</td></tr>"
        for name, number in scalars.items()
    )
    texts = "".join(finding._repr_html_() for finding in findings)
    return f"<p>{escape(printable(line))}</p><table>{rows}</table>{texts}"
