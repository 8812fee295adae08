import json
import tomllib

from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.recipe import presets

NAMES = [
    "cifar10-conv",
    "cifar100-conv-16",
    "cifar100-conv-32",
    "cifar100-conv-48",
    "cifar100-conv-64",
    "cifar100-dn-high",
    "cifar100-dn-low",
    "cifar100-dn-mid",
    "cifar100-resnext",
    "demo",
    "dominance",
    "fashion-16x64",
    "fashion-1x1024",
    "fashion-256x4",
    "fashion-64x16",
]


def test_every_preset_is_a_line_with_what_it_is_for():
    ran = CliRunner().invoke(main, ["presets"])
    assert (ran.exit_code, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    by_name = json.loads(CliRunner().invoke(main, ["presets", "--json"]).output)
    assert list(by_name) == NAMES
    assert all(line.endswith(f"  {by_name[name]}") for name, line in zip(NAMES, lines, strict=True))
    for line, path in zip(lines, presets.paths().values(), strict=True):
        comment = path.read_text(encoding="utf-8").splitlines()[0]
        assert comment == "# " + line.split(maxsplit=1)[1]
        assert tomllib.loads(path.read_text(encoding="utf-8"))["name"] == line.split()[0]


def test_descriptions_stand_in_one_column():
    lines = CliRunner().invoke(main, ["presets"]).stdout.splitlines()
    assert len({line.index(line.split(maxsplit=1)[1]) for line in lines}) == 1
