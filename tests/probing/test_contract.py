import itertools
import json
from collections.abc import Callable
from dataclasses import replace

import attrs
import pytest
import xarray as xr

from jtdiag.errors import ProbeError
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.probing.registry import PROBES
from jtdiag.recipe.recipe import Members
from jtdiag.store.run import Run
from jtdiag.testing import ProbePromises


def measure(run, options):
    result = xr.Dataset({"lanes": ((), len(run.lanes)), "by_lam": ("lam", list(run.recipe.lam))})
    return result if options.metrics_only else result.assign(slow=("lam", list(run.recipe.lam)))


def judge(result):
    number = float(result["lanes"])
    return [
        Finding(
            probe="mine", rule="count", level="info", number=number, sentence=f"{number} lanes."
        )
    ]


MINE = Probe(
    name="mine",
    question="How many lanes are there?",
    writes={
        "lanes": Var(dims=(), unit="count", meaning="lanes of the run"),
        "by_lam": Var(dims=("lam",), unit="1", meaning="λ"),
        "slow": Var(dims=("lam",), unit="1", meaning="λ again", from_outputs=True),
    },
    measure=measure,
    judge=judge,
    cost="cheap",
)


class TestMine(ProbePromises):
    probe = MINE


def changing(change: Callable[[xr.Dataset], xr.Dataset]) -> Probe:
    return replace(MINE, measure=lambda run, options: change(measure(run, options)))


# --- ask ------------------------------------------------------------------------------------------


def test_a_result_is_labelled_with_the_units_and_meanings_that_were_promised(toy):
    result = MINE.ask(toy, Options())
    assert {name: var.attrs for name, var in result.data_vars.items()} == {
        name: {"unit": var.unit, "meaning": var.meaning} for name, var in MINE.writes.items()
    }


def test_variables_from_outputs_are_left_out_when_only_the_metrics_are_read(toy):
    assert set(MINE.ask(toy, Options(metrics_only=True)).data_vars) == {"lanes", "by_lam"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.drop_vars("lanes"), "declares .*'lanes'.* but wrote "),
        (lambda r: r.assign(more=1), "wrote .*'more'"),
        (lambda r: r.rename({"by_lam": "by_lambda"}), "wrote .*'by_lambda'"),
        (lambda r: r.rename({"lam": "lambda"}), r"by_lam has dimensions \('lambda',\)"),
        (lambda r: r.assign(lanes=("trial", [1])), r"lanes has dimensions \('trial',\)"),
    ],
)
def test_a_broken_promise_is_an_error_that_says_what_was_promised(toy, change, message):
    with pytest.raises(ProbeError, match=message) as caught:
        changing(change).ask(toy, Options())
    assert str(caught.value).startswith("Probe mine")


def test_reading_outputs_when_only_metrics_were_requested_breaks_the_promise(toy):
    greedy = replace(MINE, measure=lambda run, options: measure(run, Options()))
    with pytest.raises(ProbeError, match="'slow'"):
        greedy.ask(toy, Options(metrics_only=True))


def test_transposed_dimensions_break_the_promise(toy):
    two = {"grid": Var(dims=("lam", "trial"), unit="1", meaning="ones")}
    crossed = replace(
        MINE,
        writes=two,
        measure=lambda run, options: xr.Dataset({"grid": (("trial", "lam"), [[1]])}),
    )
    with pytest.raises(ProbeError, match="`writes` declares"):
        crossed.ask(toy, Options())


def test_the_source_is_the_file_that_measures():
    assert MINE.source == __file__


@pytest.mark.parametrize("probe", PROBES.all(), ids=lambda probe: probe.name)
def test_installed_probes_declare_their_cost(probe):
    assert probe.cost in ("cheap", "slow")


# --- promises -------------------------------------------------------------------------------------


def touch(run):
    (run.path / "touched").write_text("")


def alter_seal(run):
    path = next(run.path.glob("lanes/*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"best": 1}, indent=1))


def measure_after(act):
    def acting(run, options):
        act(run)
        return measure(run, options)

    return acting


def judge_with(**changes):
    return lambda result: [replace(finding, **changes) for finding in judge(result)]


UNEQUAL = itertools.count()

BROKEN = {
    "test_the_question_is_a_question": [replace(MINE, question="Count the lanes.")],
    "test_the_result_is_what_was_promised": [
        changing(lambda r: r.assign(more=1)),
        replace(MINE, measure=lambda run, options: measure(run, Options())),
        replace(MINE, measure=lambda run, options: measure(run, Options(metrics_only=True))),
    ],
    "test_every_variable_says_what_it_means": [
        replace(MINE, writes={**MINE.writes, "lanes": Var(dims=(), unit="", meaning="lanes")}),
        replace(MINE, writes={**MINE.writes, "lanes": Var(dims=(), unit="count", meaning="")}),
    ],
    "test_asked_twice_it_answers_the_same": [changing(lambda r: r.assign(lanes=next(UNEQUAL)))],
    "test_asking_leaves_the_run_untouched": [
        replace(MINE, measure=measure_after(touch)),
        replace(MINE, measure=measure_after(alter_seal)),
    ],
    "test_findings_name_the_probe_and_say_a_sentence": [
        replace(MINE, judge=judge_with(probe="another")),
        replace(MINE, judge=judge_with(sentence="six lanes")),
        replace(MINE, judge=lambda result: ["six lanes."]),
    ],
    "test_metrics_alone_can_be_judged": [replace(MINE, judge=lambda result: result["slow"])],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("promise", "probe"),
    [(promise, probe) for promise, probes in BROKEN.items() for probe in probes],
)
def test_each_promise_notices_a_probe_that_breaks_it(promise, probe, toy_copy):
    copy = toy_copy

    class Broken(ProbePromises):
        @property
        def run(self) -> Run:
            return copy

    Broken.probe = probe
    with pytest.raises((AssertionError, ProbeError, KeyError)):
        getattr(Broken(), promise)()


def test_every_promise_has_a_probe_that_breaks_it():
    assert {name for name in dir(ProbePromises) if name.startswith("test")} == set(BROKEN)


def test_a_question_that_needs_the_members_does_not_apply_to_a_recorded_run(small_run, monkeypatch):
    replaying = replace(MINE, replays=True)
    assert replaying.applies(small_run)
    monkeypatch.setattr(Run, "recorded", property(lambda run: True))
    assert not replaying.applies(small_run)
    assert MINE.applies(small_run)
    with pytest.raises(ProbeError, match=r"^Probe mine needs the models .* was recorded from a"):
        replaying.ask(small_run, Options())


def test_a_question_about_own_weights_does_not_apply_to_branches(small_run, monkeypatch):
    about_weights = replace(MINE, own_weights=True)
    assert about_weights.applies(small_run)
    members = Members(arch="resnext", count=3, blocks=(1, 1, 1, 1), width=2)
    monkeypatch.setattr(small_run, "recipe", attrs.evolve(small_run.recipe, members=members))
    assert not about_weights.applies(small_run)
    assert MINE.applies(small_run)
    with pytest.raises(
        ProbeError, match=r"^Probe mine needs members with weights .* branches of one network\."
    ):
        about_weights.ask(small_run, Options())


def test_results_by_class_are_labeled_with_the_names_of_classes(toy):
    result = PROBES.find("diversity").ask(toy, Options())
    assert result["output"].values.tolist() == list(toy.output_names)
    assert toy.output_names == ("0", "1", "2")
