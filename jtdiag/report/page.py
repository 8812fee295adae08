"""The page: evidence in order, as one HTML file that asks nothing of any network."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from jtdiag.errors import ProbeError, StoreError
from jtdiag.figures import FIGURES
from jtdiag.figures.contract import FigureKind
from jtdiag.files import write_atomically
from jtdiag.recipe import toml
from jtdiag.report import picture as pictures
from jtdiag.report.answer import Part, answer, headline
from jtdiag.report.beside import Beside, beside
from jtdiag.report.evidence import Evidence
from jtdiag.report.picture import Picture, picture
from jtdiag.report.tables import Table, tables

LARGEST = 5_000_000
"""Bytes of a whole page; figures share most of it."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A figure on the page."""

    name: str
    caption: Sequence[str]
    """Paragraphs: what it is, and how to read it."""
    picture: Picture


@dataclass(frozen=True, kw_only=True)
class Section:
    """What the page says of one run."""

    anchor: str
    """Begins the identifiers of the section; no two sections have the same."""
    evidence: Evidence
    headline: str
    parts: list[Part]
    tables: list[Table]
    figures: list[Shown]
    left_out: list[tuple[str, str]]
    """Figures that are not there, and why."""

    @property
    def path(self) -> str:
        """The run's folder, as a shell takes it."""
        return shlex.quote(str(self.evidence.run.path))

    @property
    def commands(self) -> list[str]:
        """What makes this run, its results and this page again."""
        recipe = shlex.quote(f"{self.evidence.run.recipe.name}.toml")
        return [
            f"jtdiag train {recipe} --out {self.path}",
            " ".join(["jtdiag probe", self.path, *self.evidence.results]),
            f"jtdiag report {self.path}",
        ]

    @property
    def recipe(self) -> str:
        """The recipe with every field."""
        return toml.to_toml(self.evidence.run.recipe)

    @property
    def findings(self) -> list[tuple[str, list[str]]]:
        """Sentences that are no alerts, by probe."""
        told = [one for one in self.evidence.findings if one.level != "alert"]
        told.sort(key=lambda one: one.probe)
        return [(p, [f.sentence for f in group]) for p, group in groupby(told, lambda f: f.probe)]

    @property
    def alerts(self) -> list[str]:
        """Sentences of the alerts."""
        return [one.sentence for one in self.evidence.findings if one.level == "alert"]


def page(known: Sequence[Evidence], largest: int = LARGEST) -> str:
    """Return the report of one run or several as HTML; of several, first how they compare.

    Args:
        known: One or more runs.
        largest: Bytes of the page. Where it would have more, its largest figures become bitmaps.
    """
    limits = [pictures.LIMIT >> halved for halved in range(0, 8, 2)]
    for limit in limits:
        text = _rendered(known, limit)
        if len(text.encode()) <= largest:
            break
    return text


def _rendered(known: Sequence[Evidence], limit: int) -> str:
    """Return the page with figures of up to so many bytes as SVG."""
    alone = len(known) == 1
    sections = [
        _section(evidence, f"run{number}", limit, alone=alone)
        for number, evidence in enumerate(known, 1)
    ]
    compared = None if alone else _beside(known, limit)
    title = ", ".join(evidence.name for evidence in known)
    first = sections[0].headline if compared is None else compared.headline
    return _template().render(
        sections=sections, beside=compared, title=title, headline=first, version=version("jtdiag")
    )


def _template() -> Template:
    """Return the page's template; whatever is put into it is text, never HTML."""
    environment = Environment(
        loader=PackageLoader("jtdiag.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["bound"] = bound
    return environment.get_template("page.html")


def write(path: Path, text: str) -> int:
    """Write a page, all of it or nothing; return its size in bytes.

    Raises:
        StoreError: if the disk refuses.
    """
    try:
        write_atomically(path, text)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error}.") from error
    return path.stat().st_size


def bound(text: str) -> str:
    """Return text in which a number keeps to its unit, its doubt and what it is a value of."""
    return re.sub(r" (?=[%±])|(?<=[±=]) |(?<=λ) (?==)", "\u00a0", text)


def _section(evidence: Evidence, anchor: str, limit: int, *, alone: bool) -> Section:
    parts = answer(evidence)
    shown, left_out = [], []
    for drawing in FIGURES.all():
        if drawing.needs in evidence.without_meaning or (drawing.compares and not alone):
            continue
        try:
            shown.append(_shown(drawing, [evidence], limit))
        except ProbeError as error:
            left_out.append((drawing.name, str(error)))
    return Section(
        anchor=anchor,
        evidence=evidence,
        headline=headline(parts),
        parts=parts,
        tables=tables(evidence),
        figures=shown,
        left_out=left_out,
    )


def _beside(known: Sequence[Evidence], limit: int) -> Beside:
    """Return how runs compare, with the figures that hold several runs."""
    drawn, left_out = [], []
    for drawing in FIGURES.all():
        if drawing.compares and not any(drawing.needs in one.without_meaning for one in known):
            try:
                drawn.append(_shown(drawing, known, limit))
            except ProbeError as error:
                left_out.append((drawing.name, str(error)))
    return beside(known, drawn, left_out)


def _shown(drawing: FigureKind, known: Sequence[Evidence], limit: int) -> Shown:
    """Draw a figure.

    Raises:
        ProbeError: if its probe has not been asked, or the run holds nothing to draw.
    """
    for evidence in known:
        if drawing.needs not in evidence.results:
            raise ProbeError(
                f"First run: jtdiag probe {shlex.quote(str(evidence.run.path))} {drawing.needs}"
            )
    results = [(one.name, one.results[drawing.needs]) for one in known]
    draw = partial(drawing.draw, results if drawing.compares else results[:1])
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", drawing.caption.strip())]
    return Shown(
        name=drawing.name,
        caption=paragraphs,
        picture=picture(draw, drawing.caption, limit),
    )
