"""What is known of a probe without importing it is what the probe itself says."""

import dataclasses
import sys

import pytest

from jtdiag.probing.contract import Probe
from jtdiag.probing.description import FIELDS, DeclaredProbe, describe
from jtdiag.probing.registry import PROBES


@pytest.mark.parametrize("name", PROBES.names())
def test_every_installed_probe_is_described_by_its_source(name):
    described, probe = describe(name), PROBES.find(name)
    assert isinstance(described, DeclaredProbe)
    assert {field: getattr(described, field) for field in FIELDS} == {
        field: getattr(probe, field) for field in FIELDS
    }
    assert described.source == probe.source


def test_a_probe_has_every_field_of_a_description():
    assert {field.name for field in dataclasses.fields(Probe)} > FIELDS


def test_a_probe_of_another_package_is_described_without_importing_it(foreign):
    described = describe("foreign")
    assert (described.question, described.cost) == ("How many lanes are there?", "slow")
    assert described.source == str(foreign)
    assert "foreign_probes_of_a_test" not in sys.modules


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('cost="slow"', "cost=COST"),
        ("def measure(", "def decorated(f): return f\n\n\n@decorated\ndef measure("),
        ("    name=", "    **{'own_weights': True}, name="),
    ],
)
def test_what_the_source_does_not_spell_out_is_asked_of_the_probe(foreign, before, after):
    source = foreign.read_text()
    assert before in source
    foreign.write_text('COST = "slow"\n' + source.replace(before, after, 1))
    assert describe("foreign") is PROBES.find("foreign")
