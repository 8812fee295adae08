"""One trained run with results, made once per process and copied for each case that needs one."""

import functools
import shutil
import tempfile
from pathlib import Path

import jtdiag
from jtdiag.testing import toy_run

LAMS = (0.0, 1e-9, 0.001, 0.0011, 0.99999999, 1.0)
"""λs that six significant digits do not tell apart, or barely."""
LAM_TEXTS = ("0", "1e-09", "0.001", "0.0011", "0.99999999", "1")
PROBED = ("performance", "dominance", "diversity", "capacity", "robustness")


@functools.cache
def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="jtdiag-hostile-"))
    run = toy_run(folder, name="tiny", lam=LAMS, trials=1, train={"epochs": 1})
    for name in PROBED:
        jtdiag.probe(run, name)
    return run.path


def tiny_run(path: Path) -> Path:
    """Copy the run, of `LAMS`, with the results of `PROBED`, to a path; return the path."""
    shutil.copytree(_made(), path)
    return path
