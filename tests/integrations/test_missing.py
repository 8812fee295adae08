import importlib
import subprocess
import sys

import pytest

from jtdiag.engine import torchvision_import
from jtdiag.errors import DataError
from jtdiag.integrations import torchvision
from jtdiag.integrations.adapting import log, select
from jtdiag.probing.findings import Finding


@pytest.mark.parametrize(
    ("adapter", "imports", "install"),
    [
        ("lightning", ("lightning.pytorch.callbacks", "pytorch_lightning.callbacks"), "lightning"),
        ("huggingface", ("transformers",), "transformers accelerate"),
        ("ignite", ("ignite.engine",), "pytorch-ignite"),
    ],
)
def test_a_library_that_is_missing_is_named_in_one_line(monkeypatch, adapter, imports, install):
    for module in imports:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"jtdiag.integrations.{adapter}", raising=False)
    with pytest.raises(ImportError, match=rf"needs .*pip install {install}\.$") as caught:
        importlib.import_module(f"jtdiag.integrations.{adapter}")
    assert "\n" not in str(caught.value)


def test_something_that_is_not_there_is_missed_with_what_is():
    assert select("a", {"a": 1}, "logits") == 1
    assert select(-1, (1, 2), "targets") == 2
    with pytest.raises(
        ValueError, match=r"logits is 'b', which is not in \['a'\]; pass one of its keys"
    ):
        select("b", {"a": 1}, "logits")
    with pytest.raises(ValueError, match="targets is 3, which is not in tuple"):
        select(3, (1, 2), "targets")
    with pytest.raises(ValueError, match="logits is 'a', which is not in NoneType"):
        select("a", None, "logits")


@pytest.mark.parametrize(("level", "logged"), [("alert", "WARNING"), ("info", "INFO")])
def test_alerts_are_logged_as_warnings(caplog, level, logged):
    with caplog.at_level("INFO", "jtdiag"):
        log(Finding(probe="alerts", rule="dominance", level=level, sentence="50 % so.", number=1))
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [(logged, "50 % so.")]


# --- torchvision beside a CPU build of torch -----------------------------------------------------


@pytest.mark.one_in(4)
@pytest.mark.slow
@pytest.mark.parametrize(
    "first",
    [
        "from jtdiag.integrations import torchvision\nassert torchvision.repair()",
        "import jtdiag.integrations.huggingface",
        "import jtdiag.integrations.ignite",
        "import jtdiag.integrations.lightning",
    ],
)
def test_after_any_adapter_libraries_that_import_torchvision_can_be_imported(first):
    code = f"{first}\nimport torchvision\nfrom transformers import Trainer\nprint(Trainer.__name__)"
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "Trainer\n"), ran.stderr


@pytest.mark.parametrize("error", [DataError("missing"), ImportError(), RuntimeError("broken")])
def test_a_torchvision_that_is_missing_or_broken_is_no_error(monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr(torchvision, "import_torchvision", fail)
    assert not torchvision.repair()
    monkeypatch.setattr(torchvision, "import_torchvision", torchvision_import.import_torchvision)
    assert torchvision.repair()
