"""What a monitor takes: sequences, weights, smoothed labels; and what it notices."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from jtdiag import DominanceMonitor

M, N, K = 4, 24, 5
torch.manual_seed(0)
LOGITS = torch.randn(M, N, K, dtype=torch.float64)
TARGETS = torch.randint(K, (N,))
TARGETS[3] = -100
WEIGHTS = torch.rand(N, dtype=torch.float64)
OF_CLASSES = torch.tensor([0.2, 1.0, 3.0, 0.5, 2.0])
OF_CLASSES_64 = OF_CLASSES.double()


def monitor(*arguments, batches=1, **options):
    """A monitor after an epoch of equal or given batches."""
    watching = DominanceMonitor(lam=1, every=1, strict=True, **options)
    for _ in range(batches):
        watching.update(*arguments)
    watching.end_epoch()
    return watching


def means(watching):
    return watching.epochs[0].means


def assert_losses(watching, expected):
    """The losses are those of a function of logits (N, K), of members and of their mean."""
    members = torch.stack([expected(logits) for logits in LOGITS])
    np.testing.assert_allclose(means(watching)["member_loss"], members, rtol=1e-6)
    own = float(expected(LOGITS.mean(0)))
    assert float(means(watching)["ensemble_loss"]) == pytest.approx(own, rel=1e-6)


def assert_errors_as_without(watching):
    plain = means(monitor(LOGITS, TARGETS))
    np.testing.assert_allclose(means(watching)["member_error"], plain["member_error"])
    assert means(watching)["ensemble_error"] == plain["ensemble_error"]
    counted = TARGETS >= 0
    wrong = (LOGITS.argmax(-1) != TARGETS)[:, counted].double().mean(1)
    np.testing.assert_allclose(plain["member_error"], wrong)


# --- sequences -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 12), (2, 3, 4)])
def test_every_position_of_a_sequence_is_an_example(shape):
    of_sequences = monitor(LOGITS.reshape(M, *shape, K), TARGETS.reshape(shape))
    assert_losses(of_sequences, lambda eta: functional.cross_entropy(eta, TARGETS))
    assert_errors_as_without(of_sequences)
    assert of_sequences.epochs[0].examples == N - 1


def test_sequences_of_numbers_and_of_probabilities():
    numbers = torch.randn(N, K, dtype=torch.float64)
    positions = monitor(LOGITS.reshape(M, 2, 12, K), numbers.reshape(2, 12, K), family="gaussian")
    flat = monitor(LOGITS, numbers, family="gaussian")
    np.testing.assert_allclose(means(positions)["member_loss"], means(flat)["member_loss"])
    soft = torch.softmax(numbers, -1)
    positions = monitor(LOGITS.reshape(M, 2, 12, K), soft.reshape(2, 12, K))
    assert_losses(positions, lambda eta: functional.cross_entropy(eta, soft))


def test_a_list_of_members_may_be_of_sequences():
    of_list = monitor([*LOGITS.reshape(M, 2, 12, K)], TARGETS.reshape(2, 12))
    assert_losses(of_list, lambda eta: functional.cross_entropy(eta, TARGETS))


# --- weights and smoothing -----------------------------------------------------------------------


def test_weights_of_classes_are_those_of_torch():
    weighted = monitor(LOGITS, TARGETS, class_weights=OF_CLASSES)
    assert_losses(weighted, lambda eta: functional.cross_entropy(eta, TARGETS, OF_CLASSES_64))
    assert_errors_as_without(weighted)


def weighted_mean(eta, weights=WEIGHTS):
    counted = (TARGETS >= 0).double()
    each = functional.cross_entropy(eta, TARGETS, reduction="none")
    return (weights * counted * each).sum() / (weights * counted).sum()


def test_weights_of_examples_give_weighted_means():
    weighted = monitor(LOGITS, TARGETS, WEIGHTS)
    assert_losses(weighted, weighted_mean)
    assert_errors_as_without(weighted)


def test_an_example_of_weight_two_is_as_one_that_is_there_twice():
    twice = torch.ones(N)
    twice[5:9] = 2
    weighted = monitor(LOGITS, TARGETS, twice)
    repeated = monitor(torch.cat([LOGITS, LOGITS[:, 5:9]], 1), torch.cat([TARGETS, TARGETS[5:9]]))
    for name in ("member_loss", "ensemble_loss"):
        np.testing.assert_allclose(means(weighted)[name], means(repeated)[name], rtol=1e-6)


def test_both_weights_are_multiplied_and_those_of_sequences_flattened():
    every = WEIGHTS * OF_CLASSES_64[TARGETS.clamp(min=0)]
    weighted = monitor(
        LOGITS.reshape(M, 2, 12, K),
        TARGETS.reshape(2, 12),
        WEIGHTS.reshape(2, 12),
        class_weights=OF_CLASSES,
    )
    assert_losses(weighted, lambda eta: weighted_mean(eta, every))


def test_weights_are_normalized_in_each_batch():
    """As the loop's own loss is, a mean over batches of weighted means."""
    watching = DominanceMonitor(lam=1, every=1, strict=True)
    watching.update(LOGITS, TARGETS, WEIGHTS)
    watching.update(LOGITS, TARGETS, 100 * WEIGHTS)
    watching.end_epoch()
    assert_losses(watching, weighted_mean)


@pytest.mark.parametrize("combiner", ["logits", "probabilities"])
def test_smoothed_labels_are_those_of_torch(combiner):
    smoothed = monitor(LOGITS, TARGETS, label_smoothing=0.1, combiner=combiner)
    own = {"label_smoothing": 0.1}
    members = [functional.cross_entropy(eta, TARGETS, **own) for eta in LOGITS]
    np.testing.assert_allclose(means(smoothed)["member_loss"], members, rtol=1e-6)
    mean = LOGITS.mean(0) if combiner == "logits" else torch.softmax(LOGITS, -1).mean(0).log()
    expected = float(functional.cross_entropy(mean, TARGETS, **own))
    assert float(means(smoothed)["ensemble_loss"]) == pytest.approx(expected, rel=1e-6)
    counted = TARGETS >= 0
    wrong = (LOGITS.argmax(-1) != TARGETS)[:, counted].double().mean(1)
    np.testing.assert_allclose(means(smoothed)["member_error"], wrong)


def test_smoothed_probabilities_are_those_of_torch():
    soft = torch.softmax(torch.randn(N, K, dtype=torch.float64), -1)
    smoothed = monitor(LOGITS, soft, label_smoothing=0.2)
    assert_losses(smoothed, lambda eta: functional.cross_entropy(eta, soft, label_smoothing=0.2))


@pytest.mark.parametrize("options", [{"class_weights": OF_CLASSES}, {"label_smoothing": 0.3}])
def test_the_chance_level_of_the_loss_is_that_of_the_best_constant(options):
    watching = monitor(LOGITS, TARGETS, **options)
    keys = {"class_weights": "weight", "label_smoothing": "label_smoothing"}
    own = {keys[name]: value for name, value in options.items()}
    constant = torch.zeros(1, K, requires_grad=True)
    lbfgs = torch.optim.LBFGS([constant], line_search_fn="strong_wolfe", max_iter=100)

    def loss():
        lbfgs.zero_grad()
        value = functional.cross_entropy(constant.expand(N, K), TARGETS, **own)
        value.backward()
        return value

    lbfgs.step(loss)
    assert watching.history.chance_loss == pytest.approx(float(loss().detach()), abs=1e-4)


def test_recorded_outputs_are_neither_weighted_nor_smoothed(tmp_path):
    kept = TARGETS >= 0
    watching = DominanceMonitor(
        lam=1, every=1, strict=True, store=tmp_path / "run", epochs=1, label_smoothing=0.3
    )
    watching.update(LOGITS, TARGETS)
    watching.record("test", LOGITS[:, kept], TARGETS[kept])
    watching.end_epoch()
    from jtdiag import Run

    loss = Run(tmp_path / "run").metrics()["ensemble_loss"].sel(split="test", epoch=1)
    assert loss.item() == pytest.approx(
        float(functional.cross_entropy(LOGITS.mean(0), TARGETS)), rel=1e-5
    )


# --- what is noticed -----------------------------------------------------------------------------


def test_probabilities_in_place_of_logits_are_a_warning_once(caplog):
    watching = monitor(torch.softmax(LOGITS, -1), TARGETS)
    watching.update(torch.softmax(LOGITS, -1), TARGETS)
    watching.end_epoch()
    [record] = caplog.records
    assert "like class probabilities, but they are taken as logits" in record.getMessage()


def test_a_batch_without_examples_says_nothing_of_probabilities(caplog):
    monitor(LOGITS[:, :0], TARGETS[:0])
    assert not any("like class probabilities" in record.getMessage() for record in caplog.records)
    watching = DominanceMonitor(lam=1)
    watching.update(LOGITS[:, :0], TARGETS[:0])
    watching.update(torch.softmax(LOGITS, -1), TARGETS)
    watching.end_epoch()
    assert "like class probabilities" in caplog.records[-1].getMessage()


def test_logits_are_no_probabilities(caplog):
    monitor(LOGITS, TARGETS)
    monitor(torch.rand(M, N, K), TARGETS)
    assert not caplog.records


@pytest.mark.parametrize(
    ("logits", "targets", "weights", "options", "message"),
    [
        (LOGITS.transpose(0, 1), TARGETS, None, {}, r"of 4 members, .* logits\.transpose\(0, 1\)"),
        (LOGITS, TARGETS[:7], None, {}, r"targets \(7,\); .* and \(N,\)\.$"),
        (LOGITS[..., :1], TARGETS, None, {}, 'family="bernoulli"'),
        (LOGITS, TARGETS, WEIGHTS[:3], {}, r"weights are \(3,\), but there are 24 examples"),
        (LOGITS, TARGETS, None, {"class_weights": OF_CLASSES[:2]}, r"they must be \(5,\)"),
        (
            LOGITS,
            torch.softmax(LOGITS[0], -1),
            None,
            {"class_weights": OF_CLASSES},
            "not probabilities",
        ),
        (LOGITS, TARGETS, None, {"label_smoothing": 2}, "label_smoothing is 2"),
        (LOGITS, TARGETS, None, {"label_smoothing": 0.1, "family": "gaussian"}, "are for the"),
        (
            LOGITS,
            TARGETS,
            None,
            {"label_smoothing": 0.1, "class_weights": OF_CLASSES},
            "supports one of them",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(logits, targets, weights, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        monitor(logits, targets, weights, **options)
    assert "\n" not in str(caught.value)
