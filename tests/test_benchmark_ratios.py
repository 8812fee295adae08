"""The benchmarks' ratios, and what `benchmarks/compare.py` makes of two files of them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

FOLDER = Path(__file__).parents[1] / "benchmarks"


def written(
    path: Path, processes: list[list[float]], figure: str = "step / three products"
) -> Path:
    lines = [{"benchmark": "step", "figure": figure, "rounds": rounds} for rounds in processes]
    text = "".join(f"x86_64, 2 processors\n{json.dumps(line)}\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    return path


def compared(*paths: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, FOLDER / "compare.py", *paths]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def noisy(factor: float, processes: int, seed: int) -> list[list[float]]:
    random = np.random.default_rng(seed)
    return [list(factor * np.exp(random.normal(0, 0.02, 10))) for _ in range(processes)]


def test_what_became_slower_is_named_with_its_interval_by_welch(tmp_path):
    before, after = noisy(1.5, 4, 0), noisy(1.8, 4, 1)
    run = compared(written(tmp_path / "a", before), written(tmp_path / "b", after))
    old, new = (np.log(np.median(rounds, 1)) for rounds in (before, after))
    interval = stats.ttest_ind(new, old, equal_var=False).confidence_interval()
    low, high = (100 * np.expm1([interval.low, interval.high])).round(1)
    assert f"[{low:+.1f}, {high:+.1f}]" in run.stdout
    assert run.stdout.rstrip().endswith("SLOWER")
    assert run.returncode == 1


def test_what_became_faster_is_no_failure_and_rounds_of_a_process_are_named(tmp_path):
    before, after = written(tmp_path / "a", noisy(2, 1, 0)), written(tmp_path / "b", noisy(1, 1, 1))
    run = compared(before, after)
    assert run.stdout.rstrip().endswith("faster (of rounds)")
    assert run.returncode == 0


def test_noise_is_no_change(tmp_path):
    run = compared(written(tmp_path / "a", noisy(1, 4, 0)), written(tmp_path / "b", noisy(1, 4, 1)))
    assert run.stdout.rstrip().endswith("no change shown")
    assert run.returncode == 0


def test_one_value_says_nothing(tmp_path):
    run = compared(written(tmp_path / "a", [[1.0]]), written(tmp_path / "b", [[9.0]]))
    assert "cannot be told: one value" in run.stdout
    assert "nan" not in run.stdout


def test_a_figure_that_is_missing_after_is_named(tmp_path):
    run = compared(written(tmp_path / "a", [[1.0, 1.1]]), written(tmp_path / "b", [[1.0]], "other"))
    assert "step: step / three products: missing after" in run.stdout
    assert run.returncode == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [("nothing", "has no figures"), ('{"benchmark": "step", "fig', "line 1 is cut off")],
)
def test_files_that_cannot_be_compared_are_refused(text, message, tmp_path):
    (tmp_path / "a").write_text(text)
    run = compared(tmp_path / "a", tmp_path / "a")
    assert message in run.stderr
    assert run.returncode == 2
