"""The study's package lies beside its script, which finds it there; so do its tests."""

import sys
from pathlib import Path

STUDIES = Path(__file__).parents[2] / "runs" / "studies"
sys.path[:0] = [str(STUDIES), str(Path(__file__).parent)]
