import importlib
import subprocess
import sys
from types import ModuleType

import pytest

from jtdiag.engine import torchvision_import
from jtdiag.engine.torchvision_import import import_torchvision
from jtdiag.errors import DataError

SYMPTOM = "operator torchvision::nms does not exist"


def answers(monkeypatch, *outcomes):
    """Let importing torchvision have these outcomes, one after the other."""
    left = list(outcomes)

    def import_module(name):
        assert name == "torchvision"
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(importlib, "import_module", import_module)
    return left


@pytest.fixture
def declared(monkeypatch):
    """What was declared; nothing is really declared, for torch keeps it as long as it runs."""
    calls = []
    monkeypatch.setattr(torchvision_import, "_declare_operators", lambda: calls.append("declared"))
    monkeypatch.setattr(torchvision_import, "_forget_half_imported", lambda: calls.append("forgot"))
    return calls


def in_a_new_python(code):
    run = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(run, check=False, capture_output=True, text=True)


@pytest.mark.slow
def test_datasets_transforms_and_models_work_after_the_import():
    ran = in_a_new_python(
        "import torch\n"
        "from jtdiag.engine.torchvision_import import import_torchvision\n"
        "vision = import_torchvision()\n"
        "assert import_torchvision() is vision\n"
        "import torchvision, torchvision.datasets, torchvision.transforms.v2\n"
        "assert torchvision is vision\n"
        "assert torchvision.datasets.FashionMNIST.classes[0] == 'T-shirt/top'\n"
        "image = torchvision.transforms.v2.Resize(16)(torch.zeros(1, 3, 32, 32))\n"
        "print(tuple(torchvision.models.resnet18().eval()(image).shape))\n"
    )
    assert (ran.returncode, ran.stdout) == (0, "(1, 1000)\n"), ran.stderr


@pytest.mark.slow
def test_it_works_also_after_the_caller_failed_to_import_torchvision():
    ran = in_a_new_python(
        "try:\n"
        "    import torchvision\n"
        "except RuntimeError:\n"
        "    pass\n"
        "from jtdiag.engine.torchvision_import import import_torchvision\n"
        "import_torchvision().models.resnet18()\n"
    )
    assert ran.returncode == 0, ran.stderr


def test_missing_operators_are_declared_and_the_import_begins_anew(monkeypatch, declared):
    whole = ModuleType("torchvision")
    left = answers(monkeypatch, RuntimeError(SYMPTOM), whole)
    assert import_torchvision() is whole
    assert declared == ["declared", "forgot"]
    assert not left


def test_where_the_import_succeeds_nothing_is_declared(monkeypatch, declared):
    whole = ModuleType("torchvision")
    answers(monkeypatch, whole)
    assert import_torchvision() is whole
    assert declared == []


@pytest.mark.parametrize(
    "failure",
    [
        RuntimeError("operator torchvision::roi_align does not exist"),
        OSError("libc10.so: cannot open shared object file"),
        ModuleNotFoundError("No module named 'PIL'", name="PIL"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_another_failure_propagates_and_nothing_is_declared(monkeypatch, declared, failure):
    answers(monkeypatch, failure)
    with pytest.raises(type(failure)) as caught:
        import_torchvision()
    assert caught.value is failure
    assert declared == []


def test_a_failure_of_the_second_import_propagates(monkeypatch, declared):
    second = RuntimeError("operator torchvision::qnms does not exist")
    answers(monkeypatch, RuntimeError(SYMPTOM), second)
    with pytest.raises(RuntimeError) as caught:
        import_torchvision()
    assert caught.value is second


def test_a_missing_torchvision_is_one_line(monkeypatch):
    answers(monkeypatch, ModuleNotFoundError("No module named 'torchvision'", name="torchvision"))
    with pytest.raises(DataError, match=r"^torchvision is not installed, .* pip install .*\.$"):
        import_torchvision()


def test_only_torchvisions_own_modules_are_forgotten(monkeypatch):
    for name in ("torchvision", "torchvision.ops", "torchvision_neighbour"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    before = {name for name in sys.modules if name.partition(".")[0] != "torchvision"}
    saved = {name: module for name, module in sys.modules.items() if name not in before}
    torchvision_import._forget_half_imported()
    assert set(sys.modules) == before
    sys.modules.update(saved)
