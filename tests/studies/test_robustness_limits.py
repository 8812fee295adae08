import numpy as np
import pytest
from click.testing import CliRunner

import robustness_limits


@pytest.mark.slow
def test_a_few_settings_are_trained_judged_and_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(robustness_limits, "TRIALS", 1)
    monkeypatch.setattr(robustness_limits, "COLUMNS", (("brittle", 1),))
    ran = CliRunner().invoke(robustness_limits.main, [str(tmp_path), "--quick"])
    assert ran.exit_code == 0, ran.output
    headings, _, *rows = ran.output.splitlines()
    assert headings == "| setting | members | error | one missing costs | brittle, 1 trial |"
    assert [row.split(" | ")[0] for row in rows] == ["| independent, trained", "| λ = 1"]
    assert "of 1 |" in rows[0]


def test_of_ten_digits_one_is_rare(tmp_path):
    with np.load(robustness_limits.rare_digits(tmp_path / "rare.npz")) as arrays:
        assert 0.08 < arrays["y_test"].mean() < 0.12
