"""Training chains ends where the closed forms of jtdiag.race say."""

import numpy as np
import pytest

from jtdiag import names, race, train
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES
from jtdiag.recipe.recipe import Data, Engine, Keep, Members, Recipe, Train

START = np.array([0.050, 0.040, 0.055, 0.045])
"""The member with the head start of 10 % is neither the first nor the last."""
WINNER = 2
EXAMPLES = 1000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the data x = ±1, y = x, on which every batch has the same gradient."""
    folder = tmp_path_factory.mktemp("chains")
    x = np.resize([1.0, -1.0], (EXAMPLES, 1)).astype(np.float32)
    np.savez(folder / "line.npz", x_train=x, y_train=x, x_test=x[:50], y_test=x[:50])
    return folder


def trained(folder, name, *, depth, start, lam, lr, epochs, strength, **schedule):
    """The run of chains with these initial strengths; an epoch has a thousand steps."""
    factors = (np.asarray(start) / strength) ** (1 / depth)  # a factor f gives f^d in strength
    recipe = Recipe(
        data=Data(name=str(folder / "line.npz")),
        members=Members(
            arch="chain",
            count=len(start),
            depth=depth,
            start=tuple(factors.tolist()),
            options={"strength": strength},
        ),
        family="gaussian",
        lam=lam,
        train=Train(epochs=epochs, batch=1, lr=(lr,), momentum=0, **schedule),
        keep=Keep(outputs="all", checkpoints="all"),
        engine=Engine(device="cpu", threads=1, precision="float64"),
    )
    return train(recipe, folder / name)


def ends(run):
    """Strengths (M,) of each lane after the last epoch."""
    last = run.recipe.train.epochs
    return [
        np.prod([w.reshape(-1) for w in run.checkpoint(lane, last).values()], axis=0)
        for lane in run.lanes
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depth", "lr", "epochs"),  # the deviation is proportional to lr; the deeper, the larger
    [(1, 0.02, 2), (2, 0.02, 2), (3, 0.01, 2), (4, 0.005, 4), (6, 0.0025, 6)],
)
def test_end_to_end_training_ends_where_the_closed_form_says(folder, depth, lr, epochs):
    run = trained(
        folder,
        f"race{depth}",
        depth=depth,
        start=START,
        lam=(1.0,),
        lr=lr,
        epochs=epochs,
        strength=0.05,
    )
    expected = race.settled(depth, START)
    assert abs(ends(run)[0] - expected).max() < 1e-3
    result = PROBES.find("dominance").ask(run, Options())
    last = result.isel({names.EPOCH: -1, names.LAM: 0, names.TRIAL: 0}).sel({names.SPLIT: "test"})
    assert int(last["logit_share"].values.argmax()) == int(expected.argmax()) == WINNER
    np.testing.assert_allclose(last["logit_share"], race.shares(expected), atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("lam", [0.0, 0.5, 0.9])
def test_at_any_lambda_members_follow_the_flow(folder, lam):
    run = trained(
        folder, f"flow{lam}", depth=3, start=START, lam=(lam,), lr=0.005, epochs=2, strength=0.05
    )
    expected = race.flow(3, START, lam, 10.0)
    assert np.ptp(expected) > 0.05  # still on their way
    assert abs(ends(run)[0] - expected).max() < 1e-3


@pytest.mark.slow
def test_below_one_the_others_catch_up_on_the_slow_clock(folder):
    depth, start, lam = 3, np.array([2.2, 1.0, 0.5, 0.3]), 0.9995
    run = trained(
        folder, "slow", depth=depth, start=start, lam=(lam,), lr=0.5, epochs=4, strength=1.0
    )
    tau = race.slow_time(depth, 4, lam, 0.5 * 4 * EXAMPLES)
    expected = race.slow_flow(depth, start, tau)
    assert abs(expected - start).max() > 0.3
    assert abs(expected - 1).max() > 0.3
    assert abs(ends(run)[0] - expected).max() < 1e-3
