"""The page: answers, figures, tables and findings as one HTML file that loads nothing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.errors import ProbeError, StoreError
from jtdiag.figures import FIGURES
from jtdiag.figures.contract import FigureKind, OtherRunsError
from jtdiag.figures.labels import drawable
from jtdiag.files import write_atomically
from jtdiag.objects import mirror
from jtdiag.printable import printable, shell_word
from jtdiag.recipe import toml
from jtdiag.report.answer import Part, answer, headline
from jtdiag.report.evidence import Evidence
from jtdiag.report.picture import LIMIT, Picture, picture
from jtdiag.report.several_runs import SeveralRuns, compare
from jtdiag.report.tables import ReportTable, tables
from jtdiag.store.run_parts import refuse_part_of_run

LARGEST = 5_000_000
"""Bytes of a page."""


@dataclass(frozen=True, kw_only=True)
class ShownFigure:
    """A figure on the page."""

    name: str
    caption: Sequence[str]
    """Paragraphs: what the figure is, and how to read it."""
    picture: Picture


@dataclass(frozen=True, kw_only=True)
class Section:
    """One run on the page."""

    anchor: str
    """Prefix of the HTML identifiers of the section, unique on the page."""
    evidence: Evidence
    headline: str
    parts: list[Part]
    tables: list[ReportTable]
    figures: list[ShownFigure]
    left_out: list[tuple[str, str]]
    """Names of figures that could not be drawn, and why."""

    @property
    def path(self) -> str:
        """The run's folder, quoted for a shell."""
        return shell_word(self.evidence.run.path)

    @property
    def commands(self) -> list[str]:
        """The commands that reproduce this run, its results and this page.

        How a recorded run was trained is unknown.
        """
        recipe = shell_word(f"{self.evidence.run.recipe.name}.toml")
        training = [] if self.recorded else [f"jtdiag train {recipe} --out {self.path}"]
        return [
            *training,
            " ".join(["jtdiag probe", self.path, *self.evidence.results]),
            f"jtdiag report {self.path}",
        ]

    @property
    def recipe(self) -> str:
        """The recipe with every field; of a recorded run, with those that are known."""
        run = self.evidence.run
        if not self.recorded:
            return toml.to_toml(run.recipe)
        known: dict[str, object] = {}
        for name, value in toml.to_table(run.recipe).items():
            if isinstance(value, dict):
                fields = {k: v for k, v in value.items() if run.knows(f"{name}.{k}")}
                known |= {name: fields} if fields else {}
            elif run.knows(name):
                known[name] = value
        return toml.dumps(known)

    @property
    def recorded(self) -> bool:
        """Whether the run was recorded from a user's training loop."""
        return self.evidence.run.recorded

    @property
    def findings(self) -> list[tuple[str, list[str]]]:
        """Sentences of the findings that are not alerts, by probe."""
        infos = [finding for finding in self.evidence.findings if finding.level != "alert"]
        infos.sort(key=lambda finding: finding.probe)
        return [(p, [f.sentence for f in group]) for p, group in groupby(infos, lambda f: f.probe)]

    @property
    def alerts(self) -> list[str]:
        """Sentences of the alerts."""
        return [f.sentence for f in self.evidence.findings if f.level == "alert"]


def page(runs: Sequence[Evidence], largest: int = LARGEST) -> str:
    """Return the report of one run or several as HTML; several are compared first.

    Args:
        runs: One or more.
        largest: Bytes of the page. If it would be larger, its largest figures become bitmaps.
    """
    limits = [LIMIT >> halved for halved in range(0, 8, 2)]
    for limit in limits:
        text = _rendered(runs, limit)
        if len(text.encode()) <= largest:
            break
    return text


def _rendered(runs: Sequence[Evidence], limit: int) -> str:
    """Return the page; figures of more bytes than the limit are bitmaps."""
    alone = len(runs) == 1
    sections = [
        _section(evidence, f"run{number}", limit, alone=alone)
        for number, evidence in enumerate(runs, 1)
    ]
    compared = None if alone else _compared(runs, limit)
    title = ", ".join(evidence.name for evidence in runs)
    first = sections[0].headline if compared is None else compared.headline
    return _template().render(
        sections=sections, compared=compared, title=title, headline=first, version=version("jtdiag")
    )


def _template() -> Template:
    """Return the page's template; all values are escaped, for HTML and for terminals.

    Commands on the page are copied to a terminal, which would carry out control characters.
    """
    environment = Environment(
        loader=PackageLoader("jtdiag.report", ""),
        autoescape=True,
        finalize=_printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["bound"] = bound
    return environment.get_template("page.html")


def _printable(value: object) -> object:
    """Return text without control characters; markup of the template itself is unchanged."""
    is_markup = hasattr(value, "__html__")
    return printable(value) if isinstance(value, str) and not is_markup else value


def write(path: Path, text: str) -> int:
    """Write a page atomically; return its size in bytes.

    Raises:
        StoreError: if it cannot be written, or is a part of a run.
    """
    refuse_part_of_run(path)
    try:
        write_atomically(path, text)
        mirror.publish(path)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}.") from error
    return path.stat().st_size


def bound(text: str) -> str:
    """Return text with non-breaking spaces between a number and its symbol, SE and unit."""
    return re.sub(r" (?=[%±])|(?<=[±=]) |(?<=λ) (?==)", "\u00a0", text)


def _section(evidence: Evidence, anchor: str, limit: int, *, alone: bool) -> Section:
    parts = answer(evidence)
    shown, left_out = [], []
    for drawing in FIGURES.all():
        if drawing.needs in evidence.not_applicable or (drawing.compares and not alone):
            continue
        try:
            shown.append(_shown(drawing, [evidence], limit))
        except OtherRunsError:
            continue
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


def _compared(runs: Sequence[Evidence], limit: int) -> SeveralRuns:
    """Return how runs compare, with the figures that show several runs."""
    drawn, left_out = [], []
    for drawing in FIGURES.all():
        if drawing.compares and not any(drawing.needs in run.not_applicable for run in runs):
            try:
                drawn.append(_shown(drawing, runs, limit))
            except OtherRunsError:
                continue
            except ProbeError as error:
                left_out.append((drawing.name, str(error)))
    return compare(runs, drawn, left_out)


def _shown(drawing: FigureKind, runs: Sequence[Evidence], limit: int) -> ShownFigure:
    """Draw a figure.

    Raises:
        ProbeError: if its probe has not been run, or the run has nothing to draw.
    """
    for evidence in runs:
        if drawing.needs not in evidence.results:
            raise ProbeError(
                f"First run: jtdiag probe {shell_word(evidence.run.path)} {drawing.needs}"
            )
    runs = runs if drawing.compares else runs[:1]
    results = [run.results[drawing.needs] for run in runs]

    def draw() -> Figure:
        labels = drawable([run.name for run in runs])
        return drawing.draw(list(zip(labels, results, strict=True)))

    lams = [np.ravel(result[names.LAM]) for result in results if names.LAM in result]
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", drawing.caption.strip())]
    return ShownFigure(
        name=drawing.name,
        caption=paragraphs,
        picture=picture(draw, drawing.caption, limit, np.concatenate([[], *lams])),
    )
