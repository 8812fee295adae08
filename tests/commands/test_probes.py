from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.probing.registry import PROBES


def test_every_installed_probe_is_a_line_with_its_question(foreign):
    ran = CliRunner().invoke(main, ["probes"])
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        f"{name:14}  {PROBES.find(name).question}" for name in PROBES.names()
    ]
    assert "foreign         How many lanes are there?" in ran.stdout.splitlines()


def test_a_broken_probe_of_somebody_else_is_one_line(foreign):
    foreign.write_text("probe = None\n")
    ran = CliRunner().invoke(main, ["probes"])
    assert ran.exit_code == 1
    assert ran.stderr == (
        "Error: Entry point 'foreign' of jtdiag.probes (foreign_probes_of_a_test:probe) is of type "
        "NoneType; it must be a jtdiag.probing.contract.Probe.\n"
    )
