"""Every command on runs whose numbers are none: diverged, at chance level, or hardly any.

Each case is a small run in which something is wrong; every command has to end in sentences, without
a warning, and without "nan" or "inf" in anything that people read.
"""

import contextlib
import html
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure
from matplotlib.text import Text

from jtdiag import train
from jtdiag.commands import main
from jtdiag.figures import FIGURES
from jtdiag.probing import findings
from jtdiag.recipe.toml import from_table
from jtdiag.report import page, picture
from jtdiag.store.writer import EpochBlock, RunWriter
from jtdiag_probes.conditioning import cost, weight_conditioning
from jtdiag_probes.labels import draws

NO_NUMBER = re.compile(
    r"(?<![\w.\-])[-−+±]?(nan|inf|infinity|\d{17,}|\d[\d.]*e\+?\d{3})(?!\w)", re.IGNORECASE
)
"""What no sentence, table, figure or report contains. Hashes have 16 digits, numbers no more."""
ALERTED = 3

Change = Callable[[EpochBlock], EpochBlock]
Examples = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]
"""Features and targets of the training part; the last rows are also the test part."""


# --- data ----------------------------------------------------------------------------------------


def three_classes(random: np.random.Generator, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    target = np.arange(count) % 3
    center = np.stack([np.cos(target * 2.1), np.sin(target * 2.1)], 1)
    return center + random.normal(0, 0.3, (count, 2)), target


def two_classes(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    target = np.arange(60) % 2
    return random.normal(size=(60, 2)) + 2 * target[:, None], target


def constant(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return np.ones((60, 2)), np.arange(60) % 3


def constant_target(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """All but one are equal; targets that are all equal are refused."""
    return random.normal(size=(60, 2)), (np.arange(60) == 7).astype(np.float32)[:, None]


def thousand_classes(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    target = np.arange(1000)
    return np.stack([target / 500 - 1, target % 17 / 8 - 1], 1), target


def two_examples(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return random.normal(size=(2, 2)), np.arange(2)


def numbers(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    features = random.normal(size=(60, 2))
    return features, features.sum(1, keepdims=True).astype(np.float32)


def several_labels(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    features = random.normal(size=(60, 2))
    return features, (features > 0).astype(np.float32)


# --- what goes wrong -----------------------------------------------------------------------------


def spoiled(
    value: float, *, lanes: tuple[tuple[int, int], ...] = (), member: int | None = None
) -> Change:
    """Replace losses, outputs and weights from epoch 1 on, as training that diverges does.

    Args:
        value: In place of them.
        lanes: By λ and trial, indices; none for all.
        member: Index; None for all.
    """

    def change(block: EpochBlock) -> EpochBlock:
        if block.epoch < 1 or (lanes and (block.lane.lam_index, block.lane.trial) not in lanes):
            return block
        metrics = {
            name: _replaced(array, value, member, -1 if name.startswith("member") else None)
            for name, array in block.metrics.items()
            if name.endswith("loss")
        }
        return replace(
            block,
            metrics=dict(block.metrics) | metrics,
            outputs={k: _replaced(a, value, member, 0) for k, a in block.outputs.items()},
            checkpoint={k: _replaced(a, value, member, 0) for k, a in block.checkpoint.items()},
        )

    return change


def _replaced(array: Any, value: float, member: int | None, axis: int | None) -> np.ndarray:
    array = np.array(array)
    with np.errstate(over="ignore"):
        number = np.asarray(value).astype(array.dtype)
    if member is None or axis is None:
        array[...] = number
    else:
        np.moveaxis(array, axis, 0)[member] = number
    return array


def identical(block: EpochBlock) -> EpochBlock:
    """Make copies of the first member of all members, and of the ensemble."""
    metrics = {k: np.array(array) for k, array in block.metrics.items()}
    for name, array in metrics.items():
        if name.startswith(("member", "displacement")):
            array[...] = array[..., :1]
    for kind in ("loss", "error"):
        metrics[f"ensemble_{kind}"][...] = metrics[f"member_{kind}"][..., 0]
    copied = (
        {k: np.repeat(a[:1], len(a), 0) for k, a in arrays.items()}
        for arrays in (block.outputs, block.checkpoint)
    )
    outputs, checkpoint = copied
    return replace(block, metrics=metrics, outputs=outputs, checkpoint=checkpoint)


def scaled(*, outputs: float = 1.0, weights: float = 1.0) -> Change:
    """Multiply outputs or weights from epoch 1 on; losses stay as they are."""

    def change(block: EpochBlock) -> EpochBlock:
        if block.epoch < 1:
            return block
        with np.errstate(over="ignore"):
            return replace(
                block,
                outputs={k: a * np.asarray(outputs, a.dtype) for k, a in block.outputs.items()},
                checkpoint={
                    k: a * np.asarray(weights, a.dtype) for k, a in block.checkpoint.items()
                },
            )

    return change


class StoppedError(Exception):
    """Training is interrupted."""


def interrupted(block: EpochBlock) -> EpochBlock:
    """Stop before the last lane begins, in the last epoch of the one before."""
    if (block.lane.lam_index, block.lane.trial) == (0, 1) and block.epoch == 2:
        raise StoppedError
    return block


# --- cases ---------------------------------------------------------------------------------------

RECIPE: dict[str, Any] = {
    "name": "case",
    "lam": [0.0, 1.0],
    "trials": 2,
    "data": {"val": 10},
    "members": {"arch": "mlp", "count": 3, "hidden": [4]},
    "train": {"epochs": 3, "batch": 10, "lr": 0.3},
    "keep": {"splits": ["val", "test"]},
    "engine": {"device": "cpu", "threads": 1},
}
NO_VAL = {"data": {"val": 0}, "keep": {"splits": ["test"]}}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A run in which something is wrong."""

    recipe: dict[str, Any] = field(default_factory=dict)
    data: Examples = three_classes
    change: Change = field(default=lambda block: block)
    test: slice = field(default_factory=lambda: slice(None))
    """Which of the examples are also those of the test part."""
    says: str = ""
    """What every command has to say, besides its output; "" for nothing."""
    finds: str = ""
    """What `probe` has to say; "" for nothing."""
    never: str = ""
    """What nothing may say."""
    drawn: bool = False
    """Whether figures are rendered as they are for people, which takes half of the time."""


ALL = "4 of 4 lanes diverged|all 4 lanes that have been trained diverged"
ONE_LANE = "1 of 4 lanes diverged .* λ = 1 \\(trial 0\\)"
NOTHING = "In 4 of 4 lanes, nothing was learned"
CASES = {
    "fine": Case(drawn=True),
    "every lane is nan": Case(change=spoiled(np.nan), says=ALL),
    "every lane is inf": Case(change=spoiled(np.inf), says=ALL),
    "every lane is 1e308": Case(change=spoiled(1e308), says=ALL),
    "one lane is nan": Case(change=spoiled(np.nan, lanes=((1, 0),)), says=ONE_LANE, drawn=True),
    "one lane is 1e308": Case(change=spoiled(1e308, lanes=((1, 0),)), says=ONE_LANE),
    "one λ is nan": Case(
        change=spoiled(np.nan, lanes=((0, 0), (0, 1))), says="2 of 4 lanes diverged .* λ = 0"
    ),
    "one member is nan": Case(change=spoiled(np.nan, member=1), says=ALL),
    "gaussian, learning rate 1e10": Case(
        recipe={"family": "gaussian", "lam": [0.0, 0.5], "train": {"lr": 1e10}},
        data=numbers,
        says=ALL,
    ),
    "bernoulli at chance": Case(
        recipe={"family": "bernoulli", "train": {"lr": 1e-6}}, data=several_labels, says=NOTHING
    ),
    "learning rate 1e-6": Case(recipe={"train": {"lr": 1e-6}}, says=NOTHING),
    "constant inputs": Case(data=constant, says=NOTHING),
    "two examples": Case(recipe=NO_VAL, data=two_examples),
    "batch of one": Case(recipe={"train": {"batch": 1, "lr": 0.03}}),
    "batch of all and more": Case(recipe={"train": {"batch": 1000}}),
    "one member": Case(recipe={"members": {"count": 1}}),
    "one member, and it is nan": Case(
        recipe={"members": {"count": 1}}, change=spoiled(np.nan), says=ALL
    ),
    "two classes": Case(data=two_classes),
    "outputs overflow": Case(
        recipe={"keep": {"dtype": "float16"}, "train": {"lr": 3000.0}},
    ),
    "outputs overflow, losses are finite": Case(
        recipe={"keep": {"dtype": "float16"}},
        change=scaled(outputs=6e4),
        finds="Logits beyond the range of keep.dtype overflow",
    ),
    "huge weights, losses are finite": Case(change=scaled(weights=1e30)),
    "identical members": Case(
        change=identical,
        says="In 4 of 4 lanes, all members have the same weights",
        never="collusion: (?!running|up to date)|diversity lowers|one member carries"
        "|members share the work",
    ),
    "nearly constant targets": Case(recipe={"family": "gaussian"}, data=constant_target),
    "one class": Case(data=lambda random: (random.normal(size=(60, 2)), np.arange(60) // 59)),
    "one test example": Case(recipe=NO_VAL, test=slice(1)),
    "one validation example": Case(recipe={"data": {"val": 1}}),
    "classes missing in test": Case(test=slice(None, None, 3)),
    "one epoch": Case(recipe={"train": {"epochs": 1}}),
    "one λ": Case(recipe={"lam": [0.5]}),
    "one trial": Case(recipe={"trials": 1}),
    "one λ, one trial, one epoch, one member": Case(
        recipe={"lam": [0.0], "trials": 1, "train": {"epochs": 1}, "members": {"count": 1}}
    ),
    "a thousand classes": Case(
        recipe={"trials": 1, "train": {"batch": 100}},
        data=thousand_classes,
        test=slice(60),
        finds="Exact condition numbers are not measured",
    ),
    "interrupted": Case(
        change=interrupted,
        says="2 of 4 lanes are complete .*λ = 0 \\(trial 1\\).*without any epoch: λ = 1",
    ),
}


@contextlib.contextmanager
def written_as(change: Change) -> Iterator[None]:
    """Change each epoch before it is written."""
    write = RunWriter.write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunWriter, "write", lambda self, block: write(self, change(block)))
        yield


def trained(case: Case, folder: Path) -> Path:
    """Train the run of a case in a folder and return its path."""
    random = np.random.default_rng(0)
    features, target = case.data(random)
    arrays = {"x_train": features, "y_train": target}
    arrays |= {"x_test": features[case.test], "y_test": target[case.test]}
    np.savez(folder / "case.npz", **{k: _single(a) for k, a in arrays.items()})
    table = {k: dict(v) if isinstance(v, dict) else v for k, v in RECIPE.items()}
    table["data"]["name"] = str(folder / "case.npz")
    for key, value in case.recipe.items():
        table[key] = {**table[key], **value} if isinstance(value, dict) else value
    with written_as(case.change), contextlib.suppress(StoppedError):
        train(from_table(table), folder / "run")
    return folder / "run"


def _single(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float64 else array


def call(*arguments: str | Path) -> str:
    """Run a command in which every warning is an error; return all that it prints."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ran = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert ran.exception is None or isinstance(ran.exception, SystemExit), arguments
    assert "Traceback" not in ran.output, ran.output
    last = ran.output.splitlines()[-1]
    assert ran.exit_code in (0, ALERTED) or last.startswith("Error: "), ran.output
    return " ".join(ran.output.split())


def text_of(page: Path) -> str:
    """Return what a reader sees of a page: without scripts, styles and coordinates."""
    text = re.sub(r"<(style|script)\b.*?</\1>", "", page.read_text("utf-8"), flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", " ", text))


@pytest.fixture
def quick(monkeypatch):
    """Ask conditioning for few products and no large matrices, and labels for two draws."""
    for name in ("STEPS", "TOP_STEPS", "RANK_STEPS", "TRACE_PRODUCTS"):
        monkeypatch.setattr(weight_conditioning, name, 6)
    monkeypatch.setattr(cost, "LARGEST_EXACT", cost.LARGEST)
    monkeypatch.setattr(draws, "DRAWS", 2)


class Drawn:
    """Collects the texts of figures when they are saved.

    Args:
        rendered: Whether they are rendered. Otherwise they are laid out once, with every text and
            every position that a renderer asks for, and a file without content is written: that
            takes half of the time. The report describes the figures of `plot` in words, of the same
            results, and draws no figure again.
    """

    def __init__(self, patch: pytest.MonkeyPatch, *, rendered: bool) -> None:
        self.labels: dict[str, str] = {}
        self._by_caption: dict[str, Figure] = {}
        self._save = Figure.savefig
        self._rendered = rendered
        patch.setattr(Figure, "savefig", lambda figure, *a, **k: self._saved(figure, *a, **k))
        if not rendered:
            patch.setattr(picture, "_saved", lambda *_, **__: b"")
            patch.setattr(page, "picture", self._described)

    def _saved(self, figure: Figure, target: Any, **options: Any) -> None:
        if self._rendered:
            self._save(figure, target, **options)
        else:
            figure.draw_without_rendering()
            Path(target).touch()
        texts = figure.findobj(Text)
        name = options.get("metadata", {}).get("Title", "")
        if name in FIGURES.names():
            self._by_caption[FIGURES.find(name).caption] = figure
        self.labels[f"figure {name}"] = "\n".join(text.get_text() for text in texts)

    def _described(self, draw: Any, caption: str, *rest: Any) -> picture.Picture:
        """Return the alternative text of a figure that was saved; draw one that was not."""
        if caption not in self._by_caption:
            return picture.picture(draw, caption, *rest)
        alt = picture.in_words(self._by_caption[caption], caption)
        return picture.Picture(address="data:", width=1, height=1, alt=alt)


@pytest.mark.one_in(6)
@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_command_ends_in_sentences(name, tmp_path, quick, monkeypatch):
    case, run = CASES[name], trained(CASES[name], tmp_path)
    drawn = Drawn(monkeypatch, rendered=case.drawn)
    printed = {
        "watch": call("watch", "--once", run),
        "probe": call("probe", run),
        "every finding": call("probe", run, "-v"),
        "plot": call("plot", run, "--format", "svg"),
        "table": call("table", run),
        "report": call("report", run),
        "compare": call("compare", run, run),
    }
    printed["page"] = text_of(run / "report.html")
    printed |= drawn.labels
    printed |= {f"{f.probe} {f.rule}": f"{f.headline} {f.sentence}" for f in findings.read(run)}
    none = {key: match[0] for key, text in printed.items() if (match := NO_NUMBER.search(text))}
    assert not none
    silent = [
        key
        for key in ("watch", "probe", "plot", "report", "page")
        if case.says and not re.search(case.says, " ".join(printed[key].split()))
    ]
    assert not silent
    assert re.search(case.finds, " ".join(printed["every finding"].split()))
    if case.never:
        assert not [key for key, text in printed.items() if re.search(case.never, text)]


@pytest.mark.slow
def test_a_run_that_diverged_beside_one_that_did_not(tmp_path):
    runs = []
    for folder, name in (("a", "fine"), ("b", "every lane is nan")):
        (tmp_path / folder).mkdir()
        runs.append(trained(CASES[name], tmp_path / folder))
    fine, lost = runs
    call("probe", fine, "performance")
    page = tmp_path / "both.html"
    printed = [
        call("report", lost, fine, "--out", page),
        call("plot", lost, fine, "error-against-lambda", "--format", "svg"),
        call("table", lost, fine),
    ]
    assert (fine / "figures" / "error-against-lambda.svg").exists()
    assert all(f"{lost}: 4 of 4 lanes diverged" in text for text in printed)
    text = " ".join(text_of(page).split())
    assert "run: all 4 lanes diverged. Lowest test error of each run: run " in text.replace(
        "The runs have different data. Lowest test error of each: ",
        "Lowest test error of each run: ",
    )
    assert not NO_NUMBER.search(text)
    assert "has nothing to measure" in call("compare", lost, fine)
