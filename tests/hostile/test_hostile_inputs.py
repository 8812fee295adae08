"""Every hostile input of the table in docs/reliability.md, and the table itself."""

import importlib
from pathlib import Path

import pytest
from hostile_case import CASES, HostileCase
from hostile_table import PAGE, rows, written_rows

for file in sorted(Path(__file__).parent.glob("*_cases.py")):
    importlib.import_module(file.stem)


@pytest.mark.one_in(4)
@pytest.mark.slow
@pytest.mark.parametrize("case", [pytest.param(c, id=f"{c.kind}: {c.name}") for c in CASES])
def test_hostile_input(case: HostileCase, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    case.check(tmp_path)


def test_the_page_lists_every_case():
    """`python tests/hostile/hostile_table.py` writes the table."""
    assert written_rows(PAGE.read_text("utf-8")) == rows()
