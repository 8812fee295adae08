from types import SimpleNamespace

import pytest

from jtdiag import find_recipe, names
from jtdiag.probing import credit_facts
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES

LAYERS = {"layer1": (0, 1), "layer2": (1, 2), "layer3": (2, 3), "head": (3, 4)}


def facts(*changes, fingerprint="x"):
    recipe = find_recipe("demo", changes)
    modules = LAYERS if recipe.modules.active else {}
    run = SimpleNamespace(recipe=recipe, modules=modules, settings={names.FINGERPRINT: fingerprint})
    return credit_facts.of_run(run)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ((), (1, 1.0, None, None)),
        (("modules.watch=true",), (1, 1.0, None, 4)),
        (("modules.credit=local",), (0, 0.0, 1, 4)),
        (("modules.credit=local", "modules.mu=0.5"), (0, 0.5, None, 4)),
        (("modules.credit=local", "modules.mu=1"), (1, 1.0, None, 4)),
        (("modules.credit=local", "modules.reach=2"), (0, None, 2, 4)),
        (("modules.credit=local", "modules.reach=4"), (1, 1.0, 4, 4)),
        (("modules.credit=local", "modules.mu_schedule=linear", "modules.mu=1"),
         (0, None, None, 4)),
        (("modules.credit=synthetic", "modules.mu=0.5"), (0, 0.5, None, 4)),
        (("modules.credit=frozen",), (0, None, None, 4)),
    ],
)  # fmt: skip
def test_how_far_modules_see(changes, expected):
    known = facts(*changes)
    order = ("layers_end_to_end", "mu", "reach", "modules")
    assert tuple(known.get(name) for name in order) == expected


def test_runs_with_the_same_setting_differ_only_in_how_layers_and_members_are_trained():
    same = [
        facts(),
        facts("modules.credit=local", "train.epochs=7", "lam=[0.3]", "trials=2", "name=b"),
        facts("keep.outputs=none", "data.root=elsewhere", "train.lr=0.2"),
    ]
    assert len({known["setting"] for known in same}) == 1
    other = [
        facts("seed=5"),
        facts("members.hidden=[3]"),
        facts("data.val=7"),
        facts("objective.drop=0.5"),
        facts(fingerprint="y"),
    ]
    assert len({known["setting"] for known in (*same, *other)}) == 1 + len(other)


def test_labels_say_how_layers_are_trained():
    known = facts("modules.credit=local", "modules.mu=0.5")
    assert (known["credit_label"], known["credit_rule"]) == ("local, pred, μ = 0.5", "local, pred")
    assert credit_facts.not_end_to_end(known) == "local, pred, μ = 0.5"
    assert credit_facts.not_end_to_end(facts()) == credit_facts.not_end_to_end({}) == ""


def test_results_of_all_probes_have_them(small_run):
    result = PROBES.find("performance").ask(small_run, Options(metrics_only=True))
    assert result.attrs.items() >= credit_facts.of_run(small_run).items()
