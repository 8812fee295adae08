import pytest

import jtdiag_probes
from jtdiag.errors import ProbeError
from jtdiag.probing.contract import Probe
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import probe as ask

OURS = (
    "alerts",
    "calibration",
    "capacity",
    "collusion",
    "combiners",
    "conditioning",
    "credit",
    "diversity",
    "dominance",
    "filters",
    "gradients",
    "labels",
    "layers",
    "modules",
    "performance",
    "robustness",
    "similarity",
    "specialisation",
    "stacking",
    "transfer",
    "variance",
    "votes",
)


def test_our_probes_enter_by_entry_points():
    assert PROBES.names() == OURS
    assert tuple(probe.name for probe in PROBES.all()) == OURS
    for probe in PROBES.all():
        assert isinstance(probe, Probe)
        room, _, module = probe.measure.__module__.rpartition(".")
        assert room.startswith(jtdiag_probes.__name__)
        assert module == probe.name


def test_a_third_party_probe_is_found_and_run_like_a_built_in_one(foreign, small_run):
    assert PROBES.names() == tuple(sorted([*OURS, "foreign"]))
    assert PROBES.find("foreign").question == "How many lanes are there?"
    assert ask(small_run, "foreign")["lanes"].item() == 2


def test_listing_names_loads_no_probe(foreign):
    foreign.write_text("raise SystemExit('loaded')\n")
    assert "foreign" in PROBES.names()


def test_an_unknown_name_is_one_line_with_the_nearest_and_the_installed_ones():
    with pytest.raises(ProbeError) as caught:
        PROBES.find("dominanze")
    assert str(caught.value) == (
        f"There is no probe 'dominanze'. Did you mean 'dominance'? "
        f"Installed probes: {', '.join(OURS)}."
    )


def test_an_entry_point_that_gives_no_probe_is_one_line(foreign):
    foreign.write_text("probe = 'How many?'\n")
    with pytest.raises(
        ProbeError, match=r"\(foreign_probes_of_a_test:probe\) is of type str; .*Probe\.$"
    ):
        PROBES.find("foreign")


def test_a_probe_that_calls_itself_otherwise_is_one_line(foreign):
    foreign.write_text(foreign.read_text().replace('name="foreign"', 'name="dominance"'))
    with pytest.raises(ProbeError, match="is a probe named 'dominance'"):
        PROBES.find("foreign")
