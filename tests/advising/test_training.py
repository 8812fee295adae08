"""Candidates as ordinary runs: how far they are trained, and how they are continued."""

import numpy as np
import pytest
from attrs import evolve

from jtdiag import names, train
from jtdiag.advising.candidates import candidates, path_of
from jtdiag.advising.training import Limit, LimitReachedError, Training, existing
from jtdiag.engine.stopping import StopRequest, TrainingStopped

NAME = "2-members-lam-1"


@pytest.fixture
def every(question):
    return {candidate.name: candidate for candidate in candidates(question)}


def epochs_of(folder, every):
    run = existing(path_of(folder, every[NAME]))
    return [run.seal(lane).epoch for lane in run.lanes]


@pytest.mark.slow
def test_a_run_in_pieces_is_that_of_an_ordinary_training(every, tmp_path):
    training = Training(tmp_path, every, Limit())
    early = training.first_trial(NAME, 0.25)
    assert epochs_of(tmp_path, every) == [1]
    assert len(training.known(NAME)) == 0
    training.first_trial(NAME, 0.5)
    assert epochs_of(tmp_path, every) == [2]
    errors = training.errors(NAME, 3)
    assert epochs_of(tmp_path, every) == [4, 4, 4]
    whole = train(evolve(every[NAME].recipe, trials=3), tmp_path / "whole")
    on_val = whole.metrics()[names.ENSEMBLE_ERROR].sel(lam=1, split="val")
    assert errors == pytest.approx(on_val.min("epoch").values)
    assert early == float(on_val.sel(trial=0, epoch=slice(0, 1)).min())
    assert early == training.first_trial(NAME, 0.25)  # although more is trained by now
    assert np.array_equal(training.known(NAME), errors)


@pytest.mark.slow
def test_the_limit_counts_epochs_and_ends_between_two_of_them(every, tmp_path):
    limit = Limit(epochs=6)
    training = Training(tmp_path, every, limit)
    assert len(training.errors(NAME, 1)) == 1
    with pytest.raises(LimitReachedError):
        training.errors(NAME, 2)
    assert limit.trained == 6
    assert epochs_of(tmp_path, every) == [4, 2]
    assert len(training.known(NAME)) == 1
    with pytest.raises(LimitReachedError):
        training.first_trial("single-network", 0.25)
    assert len(Training(tmp_path, every, Limit()).errors(NAME, 2)) == 2


def test_no_time_trains_nothing(every, tmp_path):
    with pytest.raises(LimitReachedError):
        Training(tmp_path, every, Limit(seconds=0)).first_trial(NAME, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_a_user_stops_is_stopped_and_can_be_continued(every, tmp_path):
    stop = StopRequest()
    heeded = []

    def trained(candidate, errors, epoch):
        heeded.append(stop.heeded)
        stop.request(10)

    training = Training(tmp_path, every, Limit(), stop, trained)
    training.first_trial(NAME, 0.25)
    with pytest.raises(TrainingStopped):
        training.first_trial(NAME, 1)
    assert heeded == [False]
    assert epochs_of(tmp_path, every)[0] < 4
    assert len(Training(tmp_path, every, Limit()).errors(NAME, 1)) == 1
