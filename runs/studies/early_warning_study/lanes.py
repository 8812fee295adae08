"""The study's lanes as arrays, and what counts as failed: fixed before any lane was trained."""

from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from early_warning_study.grid import CLASSES, EARLY
from early_warning_study.training import Row, read
from numpy.typing import NDArray

from jtdiag_probes.leadership import skill_ratio

CHANCE = 1 - 1 / CLASSES
FAILED_BELOW = 0.5
"""A lane's members have failed where, on test at the end, the median member has less than this
share of the ensemble's skill."""
DOMINATED_FROM = 0.75
"""A failed lane is dominated where the best member has at least this share of it, else its
members are codependent."""
LEARNT_FROM = 0.5
"""A lane counts as learnt where the ensemble's skill is at least this share of a perfect one's
(with ten classes, a test error of at most 45 %). Others are a class of their own."""
