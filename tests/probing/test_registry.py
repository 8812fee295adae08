import pytest

import jtdiag_probes
from jtdiag.errors import ProbeError
from jtdiag.probing.contract import Probe
from jtdiag.probing.registry import load_probe, load_probes, probe_names
from jtdiag.probing.running import probe as ask

OURS = [
    "alerts",
    "calibration",
    "capacity",
    "collusion",
    "combiners",
    "conditioning",
    "diversity",
    "dominance",
    "filters",
    "gradients",
    "performance",
    "robustness",
    "stacking",
    "variance",
    "votes",
]


def test_our_probes_enter_by_entry_points():
    assert probe_names() == OURS
    assert [probe.name for probe in load_probes()] == OURS
    for probe in load_probes():
        assert isinstance(probe, Probe)
        assert probe.measure.__module__ == f"{jtdiag_probes.__name__}.{probe.name}"


def test_a_probe_of_somebody_else_is_found_and_asked_like_ours(foreign, small_run):
    assert probe_names() == sorted([*OURS, "foreign"])
    assert load_probe("foreign").question == "How many lanes are there?"
    assert ask(small_run, "foreign")["lanes"].item() == 2


def test_listing_names_loads_no_probe(foreign):
    foreign.write_text("raise SystemExit('loaded')\n")
    assert "foreign" in probe_names()


def test_an_unknown_name_is_one_line_with_the_nearest_and_the_installed_ones():
    with pytest.raises(ProbeError) as caught:
        load_probe("dominanze")
    assert str(caught.value) == (
        f"There is no probe 'dominanze'. Did you mean 'dominance'? Installed: {', '.join(OURS)}."
    )


def test_an_entry_point_that_gives_no_probe_is_one_line(foreign):
    foreign.write_text("probe = 'How many?'\n")
    with pytest.raises(ProbeError, match=r"foreign_probes_of_a_test:probe gives a str; .*Probe\.$"):
        load_probe("foreign")


def test_a_probe_that_calls_itself_otherwise_is_one_line(foreign):
    foreign.write_text(foreign.read_text().replace('name="foreign"', 'name="dominance"'))
    with pytest.raises(ProbeError, match="'foreign' gives a probe that calls itself 'dominance'"):
        load_probe("foreign")
