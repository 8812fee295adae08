from click.testing import CliRunner

from jtdiag.cli import main


def test_every_installed_probe_is_a_line_with_its_question(foreign):
    ran = CliRunner().invoke(main, ["probes"])
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "combiners    Would another way of combining the same members do better?",
        "diversity    What does the diversity of the members buy?",
        "dominance    Does one member carry the ensemble, and how early could one have known?",
        "foreign      How many lanes are there?",
        "performance  How good are the ensemble and its members, at each lambda?",
        "stacking     How good is a trained combiner of independently trained members?",
    ]


def test_a_broken_probe_of_somebody_else_is_one_line(foreign):
    foreign.write_text("probe = None\n")
    ran = CliRunner().invoke(main, ["probes"])
    assert ran.exit_code == 1
    assert ran.stderr == (
        "Error: Entry point foreign_probes_of_a_test:probe gives a NoneType; "
        "a probe must be a jtdiag.probe_contract.Probe.\n"
    )
