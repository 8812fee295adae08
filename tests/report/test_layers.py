from types import SimpleNamespace

import numpy as np

from jtdiag.probing.findings import Finding
from jtdiag.recipe.members import Members
from jtdiag.recipe.sections import Data
from jtdiag.report import layers, wording
from jtdiag.report.answer import answer
from jtdiag.report.evidence import Evidence


def finding(probe, rule, lam=0.0):
    sentence = f"{probe} {rule} {lam}."
    return Finding(probe=probe, rule=rule, level="info", lam=lam, number=0.0, sentence=sentence)


def evidence(*findings, name="run", **results):
    recipe = SimpleNamespace(members=Members(count=4, arch="mlp"), data=Data(name="digits"))
    path = SimpleNamespace(resolve=lambda: SimpleNamespace(name=name))
    run = SimpleNamespace(recipe=recipe, path=path)
    return Evidence(run=run, results=results, findings=list(findings))


def test_findings_at_the_best_lambda_are_one_paragraph():
    known = evidence(
        *(finding("modules", "rewinding-ensemble", lam) for lam in (0.0, 0.9)),
        *(finding("layers", rule, 0.9) for rule in ("by-layer", "changes")),
        finding("credit", "direction", 0.0),
        finding("performance", "best-lambda", 0.9),
    )
    [part] = [part for part in answer(known) if part.question == wording.LAYERS]
    assert part.sentence == (
        "modules rewinding-ensemble 0.9. layers changes 0.9. credit direction 0.0."
    )
    assert part.source == "probes modules, layers and credit"
    assert part.headline == ""


def test_nothing_is_said_of_what_was_not_measured():
    assert layers.of_run(evidence(), None) == ()
    assert all(part.question != wording.LAYERS for part in answer(evidence()))
    [one] = layers.of_run(evidence(finding("layers", "by-layer")), 0.9)
    assert one.rule == "by-layer"


def test_questions_say_joint_training_where_layers_are_not_end_to_end(credited):
    known = finding("performance", "end-to-end", 1.0)
    errors = [[0.1, 0.2]] * 2
    local = evidence(known, performance=credited.of(errors))
    whole = evidence(known, performance=credited.whole(errors))
    assert wording.JOINT in [part.question for part in answer(local)]
    assert wording.END_TO_END not in [part.question for part in answer(local)]
    assert wording.END_TO_END in [part.question for part in answer(whole)]


def errors(mean, spread, trials=5):
    return mean + spread * np.random.default_rng(round(1e4 * mean)).normal(0, 1, (2, trials))


def test_a_sentence_for_each_run_says_where_layers_had_to_be_trained_together(credited):
    whole = evidence(name="whole", performance=credited.whole(errors(0.02, 0.001)))
    worse = evidence(name="worse", performance=credited.of(errors(0.09, 0.001)))
    same = evidence(name="same", performance=credited.of(errors(0.021, 0.05), rule="frozen"))
    first, second = layers.of_runs([whole, worse, evidence(name="unprobed"), same])
    assert first.startswith("Layers of worse (local, pred) against end to end (whole): ")
    assert "At λ = 0 and 1, layers had to be trained together to be as good" in first
    assert "not significantly different at λ = 0" in second
    assert "had to be" not in second
    assert "would have been detected with a probability of 80 %" in second
    assert all(
        "5 paired trials; intervals hold for all 4 differences." in s for s in (first, second)
    )


def test_two_trials_say_nothing(credited):
    whole = evidence(name="whole", performance=credited.whole(errors(0.02, 0.001, 2)))
    worse = evidence(name="worse", performance=credited.of(errors(0.09, 0.001, 2)))
    assert layers.of_runs([whole, worse]) == []
