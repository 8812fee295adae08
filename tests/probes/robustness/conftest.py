import numpy as np
import pytest


@pytest.fixture
def five_members():
    """Logits (5, 70, 4) of members of increasing skill, and targets; a new copy for each test."""
    random = np.random.default_rng(0)
    target = random.integers(0, 4, 70)
    skill = np.linspace(0.2, 1.5, 5)[:, None, None]
    return skill * np.eye(4)[target] + random.standard_normal((5, 70, 4)), target
