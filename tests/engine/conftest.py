"""Recipes of small images, for the members that need them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from jtdiag.recipe.recipe import Recipe
from jtdiag.recipe.toml import from_table

IMAGES = {
    "lam": [0.0, 0.9],
    "trials": 1,
    "data": {"val": 8},
    "members": {"arch": "conv", "count": 3, "filters": [4, 5], "strides": [1, 2]},
    "train": {"epochs": 2, "batch": 8, "lr": 0.2},
    "engine": {"device": "cpu", "threads": 1, "precision": "float64"},
}


@pytest.fixture(scope="session")
def image_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An .npz of noisy images (3, 8, 8) of three classes: 40 to train on and 16 to test on."""
    path = tmp_path_factory.mktemp("images") / "images.npz"
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for part, count in (("train", 40), ("test", 16)):
        target = np.arange(count) % 3
        noise = random.normal(0, 1, (count, 3, 8, 8))
        arrays[f"x_{part}"] = (noise + target[:, None, None, None]).astype(np.float32)
        arrays[f"y_{part}"] = target
    np.savez(path, **arrays)
    return str(path)


@pytest.fixture
def of_images(image_file: str) -> Callable[..., Recipe]:
    """Return a function that makes a recipe of these images: 32 in training, 4 steps an epoch.

    A section that is given is merged into the recipe's, but for another architecture's members.
    """

    def make(**changes: Any) -> Recipe:
        table: dict[str, Any] = {**IMAGES, "data": {**IMAGES["data"], "name": image_file}}
        for key, value in changes.items():
            merged = {**table.get(key, {}), **value} if isinstance(value, dict) else value
            if key == "members" and "arch" in value:
                merged = {"count": 3, **value}
            table[key] = merged
        return from_table(table)

    return make
