from dataclasses import replace

import attrs
import pytest

from jtdiag import rules
from jtdiag.alerts.listener import AlertingListener, alerting
from jtdiag.engine.progress import EpochReport, Plan
from jtdiag.probing import findings
from jtdiag.rules.contract import Verdict
from jtdiag.store.lanes import Lane
from jtdiag.store.layout import Size

VERDICT = Verdict(
    rule="dominance",
    level="alert",
    epoch=3,
    number=0.1,
    limit=0.55,
    observation="one member dominates the ensemble",
    advice="Act.",
    members=(1,),
)


class Heard:
    """A listener, and places for alerts, that keep what they hear."""

    def __init__(self):
        self.plans, self.epochs, self.verdicts, self.sent, self.lines = [], [], [], [], []

    def begin(self, plan):
        self.plans.append(plan)

    def epoch(self, report):
        self.epochs.append(report)

    def verdict(self, lane, verdict):
        self.verdicts.append((lane, verdict))

    def send(self, run, finding):
        self.sent.append((run, finding))


def plan(path, recipe):
    return Plan(
        recipe=recipe,
        path=path,
        size=Size(metrics=0, outputs=0, checkpoints=0, resuming=0),
        parameters=1,
        settings={},
        lanes_done=0,
        epochs_to_train=1,
    )


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def listen(heard):
    """Return a function that begins to listen to a run in a folder."""

    def begin(path, recipe):
        listener = AlertingListener(heard, heard, heard.lines.append)
        listener.begin(plan(path, recipe))
        return listener

    return begin


@pytest.fixture
def trials(short_demo_recipe):
    """Three trials at λ = 0, 0.9 and 1."""
    return attrs.evolve(short_demo_recipe, trials=3)


def report(lane, epoch):
    return EpochReport(lane=lane, epoch=epoch, train_loss=1.0, ensemble_error=0.5)


def lane(trial, lam_index=2):
    return Lane(trial=trial, lam_index=lam_index)


def test_a_verdict_is_shown_sent_and_recorded(listen, heard, tmp_path, trials):
    listener = listen(tmp_path, trials)
    listener.epoch(report(lane(0), 0))
    listener.verdict(lane(0), VERDICT)
    assert heard.verdicts == [(lane(0), VERDICT)]
    [(run, sent)] = heard.sent
    assert run == tmp_path
    assert sent.sentence == "λ = 1, trial 0: after epoch 3, one member dominates the ensemble. Act."
    assert (sent.rule, sent.lam, sent.trials, sent.epoch, sent.members) == (
        "dominance", 1.0, (0,), 3, (1,),
    )  # fmt: skip
    [kept] = findings.read(tmp_path)
    assert (kept.rule, kept.lam, kept.number) == (sent.rule, sent.lam, sent.number)
    assert heard.epochs == [report(lane(0), 0)]
    assert len(heard.plans) == 1
    assert heard.lines == []


def test_every_trial_is_sent_by_itself_and_recorded_with_the_others(
    listen, heard, tmp_path, trials
):
    listener = listen(tmp_path, trials)
    listener.verdict(lane(0), VERDICT)
    listener.verdict(lane(1), replace(VERDICT, epoch=5, members=(0,)))
    assert [(f.trials, f.epoch, f.members) for _, f in heard.sent] == [
        ((0,), 3, (1,)),
        ((1,), 5, (0,)),
    ]
    [kept] = findings.read(tmp_path)
    assert (kept.trials, kept.epoch) == ((0, 1), 3)
    assert "in 2 of 2 trials" in kept.sentence


def test_a_rule_is_heard_once_of_a_lane(listen, heard, tmp_path, trials):
    listener = listen(tmp_path, trials)
    for _ in range(2):
        listener.verdict(lane(0), VERDICT)
    assert len(heard.sent) == len(heard.verdicts) == 1


def test_trials_are_counted_that_have_begun_and_at_the_end_all(heard, listen, tmp_path, trials):
    listener = listen(tmp_path, trials)
    listener.verdict(lane(0), VERDICT)
    listener.epoch(report(lane(0, lam_index=0), 4))  # of another λ
    assert "trials" not in findings.read(tmp_path)[0].sentence
    listener.epoch(report(lane(1), 0))
    listener.epoch(report(lane(2), 0))
    listener.close()
    assert "in 1 of 3 trials" in findings.read(tmp_path)[0].sentence


def test_lambdas_and_rules_stay_apart(listen, heard, tmp_path, trials):
    listener = listen(tmp_path, trials)
    listener.verdict(lane(0), VERDICT)
    listener.verdict(lane(0, lam_index=1), VERDICT)
    listener.verdict(lane(0), replace(VERDICT, rule="over-capacity", level="info"))
    assert [(f.lam, f.rule) for f in findings.read(tmp_path)] == [
        (0.9, "dominance"),
        (1.0, "dominance"),
        (1.0, "over-capacity"),
    ]
    assert len(heard.sent) == 3


def test_a_run_of_which_nothing_is_said_gets_no_file(listen, tmp_path, trials):
    listener = listen(tmp_path, trials)
    listener.epoch(report(lane(0), 1))
    listener.close()
    assert list(tmp_path.iterdir()) == []


def test_at_the_end_what_was_said_is_recorded_once_more(heard, tmp_path, trials):
    with alerting(heard, heard) as listener:
        listener.begin(plan(tmp_path, trials))
        listener.verdict(lane(0), VERDICT)
        finding_log = tmp_path / findings.LOG
        finding_log.unlink()
    assert finding_log.exists()


def test_interrupted_before_anything_is_known_it_ends_quietly(heard):
    with pytest.raises(KeyboardInterrupt), alerting(heard, heard):
        raise KeyboardInterrupt
    assert heard.lines == []


# --- going on -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_was_said_before_an_interruption_is_kept_and_not_sent_again(
    listen, heard, tmp_path, warned
):
    warned.seal_up_to(3)
    first, second = warned.run.lanes
    history = warned.run.history(second)
    [verdict] = [v for v in rules.first(history) if v.level == "alert"]
    listener = listen(warned.run.path, warned.run.recipe)
    listener.verdict(second, verdict)
    assert heard.sent == heard.verdicts == []
    listener.verdict(first, VERDICT)
    assert len(heard.sent) == 1
    kept = [(f.rule, f.lam) for f in findings.read(warned.run.path) if f.level == "alert"]
    assert kept == [("dominance", 0.9), (verdict.rule, 1.0)]
    assert heard.lines == []


def test_a_store_that_cannot_be_read_is_a_line_and_training_begins(listen, heard, tmp_path, trials):
    (tmp_path / "recipe.toml").write_text("", "utf-8")
    listener = listen(tmp_path, trials)
    [line] = heard.lines
    assert line.endswith("Earlier alerts are unknown and may be repeated.")
    assert len(heard.plans) == 1
    listener.verdict(lane(0), VERDICT)
    assert len(heard.sent) == 1
