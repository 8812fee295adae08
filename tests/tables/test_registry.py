"""The command that prints the tables."""

import re

import pytest
from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.tables.registry import TABLES
from jtdiag.tables.table import FORMATS


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", TABLES)
def test_the_command_prints_each_table_in_each_format(probed_run, form, name):
    arguments = ["table", str(probed_run.path), "--of", name, "--format", form]
    ran = CliRunner().invoke(main, arguments)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout == FORMATS[form](TABLES[name]([probed_run.path]))


def test_the_command_writes_a_file_and_names_it(probed_run, tmp_path):
    out = tmp_path / "paper" / "errors.tex"
    ran = CliRunner().invoke(main, ["table", str(probed_run.path), "--out", str(out)])
    assert (ran.exit_code, ran.stdout) == (0, f"{out}\n")
    assert re.search(r"\\toprule.*\\num", out.read_text("utf-8"), flags=re.S)


def test_a_file_that_cannot_be_written_is_one_line(probed_run, tmp_path):
    ran = CliRunner().invoke(main, ["table", str(probed_run.path), "--out", str(tmp_path)])
    assert ran.exit_code == 1
    assert "cannot be written" in ran.stderr
