import pytest
import pytorch_optimizer
import torch

from jtdiag.engine.optimisers.adamw import AdamW
from jtdiag.engine.optimisers.sgd import SGD
from jtdiag.engine.optimisers.soap import SOAP


def library(**changed):
    """The library's SOAP for the parameters of one member."""
    settings = {"weight_decay": 0.0, "precondition_frequency": 10, "max_precondition_dim": 512}
    return lambda own, lr: pytorch_optimizer.SOAP(own, lr=lr, **(settings | changed))


@pytest.mark.slow
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_every_member_moves_as_the_library_moves_it_alone(stacked, decay):
    found, _ = stacked.moved(SOAP(weight_decay=decay, prior=0), count=25)
    expected = stacked.moved_alone(library(weight_decay=decay), count=25)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
def test_eigenbases_are_corrected_as_often_as_asked(stacked):
    often, seldom = (SOAP(weight_decay=0.0, every=n, prior=0) for n in (3, 10))
    found, _ = stacked.moved(often, count=8)
    expected = stacked.moved_alone(library(precondition_frequency=3), count=8)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(found["weight"], stacked.moved(seldom, count=8)[0]["weight"])


@pytest.mark.slow
def test_a_side_that_is_too_long_is_left_to_adam(stacked):
    soap, weights = SOAP(weight_decay=0.0, largest=4, prior=0), stacked.begin()
    state = soap.start(weights)
    assert {key: tuple(t.shape) for key, t in state.items() if key.endswith("/weight")} == {
        "exp_avg/weight": (2, 3, 4, 8),
        "exp_avg_sq/weight": (2, 3, 4, 8),
        "GG.0/weight": (2, 3, 4, 4),
        "Q.0/weight": (2, 3, 4, 4),
    }
    found, _ = stacked.moved(soap, count=12)
    expected = stacked.moved_alone(library(max_precondition_dim=4), count=12)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_the_first_step_only_begins_the_estimates(stacked):
    start = stacked.begin()
    weights, state = stacked.moved(SOAP(weight_decay=0.05), count=1)
    assert all(torch.equal(weights[name], start[name]) for name in start)
    basis = state["Q.1/weight"]
    torch.testing.assert_close(basis.mT @ basis, torch.eye(8).double().expand(2, 3, 8, 8))


@pytest.mark.slow
def test_lanes_that_have_taken_different_numbers_of_steps_go_on_as_themselves(stacked):
    soap = SOAP(weight_decay=0.05)
    later, old = stacked.moved(soap, count=12)
    mixed, fresh = stacked.begin(), soap.start(later)
    for mine, theirs in ((mixed, later), (fresh, old)):
        for name in mine:
            mine[name][0] = theirs[name][0]
    lr_L = torch.tensor(stacked.lr, dtype=torch.float64)
    for step in range(13):
        gradients = stacked.pulls(step)
        for name, gradient in stacked.pulls(12 + step).items():
            gradients[name][0] = gradient[0]
        soap.step(mixed, fresh, gradients, lr_L)
    assert fresh["steps"].tolist() == [25, 13]
    for lane, count in enumerate((25, 13)):
        expected, _ = stacked.moved(soap, count=count)
        assert all(torch.equal(mixed[name][lane], expected[name][lane]) for name in mixed)


def test_estimates_begin_with_a_gradient_of_the_same_length_and_no_direction(stacked):
    _, state = stacked.moved(SOAP(weight_decay=0.0, prior=2.0), count=1)
    gradient = stacked.pulls(0)["weight"]
    length = gradient.square().sum((2, 3))
    for side, product in enumerate((gradient @ gradient.mT, gradient.mT @ gradient)):
        count = gradient.shape[2 + side]
        axes = torch.diag(torch.linspace(0.5, 1.5, count).double()) / count
        expected = 0.95 * 2 * length[..., None, None] * axes + 0.05 * product
        torch.testing.assert_close(state[f"GG.{side}/weight"], expected)


def weights_of_a_classifier(soap, start, steps=60):
    """Train ten classes on batches of four, so that no gradient has full rank."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4 * steps, 16, generator=generator, dtype=torch.float64)
    y = torch.randint(10, (4 * steps,), generator=generator)
    weights = {"w": start.clone().requires_grad_()}
    state = soap.start(weights)
    for at in torch.arange(4 * steps).split(4):
        loss = torch.nn.functional.cross_entropy(x[at] @ weights["w"][0, 0].T, y[at])
        gradients = dict(zip(weights, torch.autograd.grad(loss, [weights["w"]]), strict=True))
        soap.step(weights, state, gradients, torch.tensor([0.03], dtype=torch.float64))
    w = weights["w"].detach()
    return w - w.mean(2, keepdim=True)  # what all classes share decides nothing


@pytest.mark.slow
def test_a_change_in_the_last_bits_stays_one_thanks_to_the_prior():
    generator = torch.Generator().manual_seed(1)
    start, noise = torch.randn(2, 1, 1, 10, 16, generator=generator, dtype=torch.float64)
    with_prior, without = (
        weights_of_a_classifier(soap, start * (1 + 1e-15 * noise))
        - weights_of_a_classifier(soap, start)
        for soap in (SOAP(weight_decay=0.0), SOAP(weight_decay=0.0, prior=0))
    )
    assert with_prior.abs().max() < 1e-10
    assert without.abs().max() > 1e-4


def test_a_member_without_any_gradient_stays_where_it_is(stacked):
    soap, weights = SOAP(weight_decay=0.0), stacked.begin()
    state = soap.start(weights)
    for step in range(12):
        gradients = stacked.pulls(step)
        for gradient in gradients.values():
            gradient[1, 1] = 0
        soap.step(weights, state, gradients, torch.tensor(stacked.lr).double())
    start = stacked.begin()
    assert all(torch.equal(weights[name][1, 1], start[name][1, 1]) for name in start)
    assert all(tensor.isfinite().all() for tensor in (weights | state).values())


@pytest.mark.slow
def test_a_valley_along_no_axis_is_run_through_where_others_crawl():
    """Curvatures from 10⁻⁶ to 1 along both sides of a weight, turned away from its axes."""
    generator = torch.Generator().manual_seed(1)
    a, b = (
        torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64)).Q
        * torch.logspace(0, -1.5, n, dtype=torch.float64)
        for n in (6, 8)
    )

    def lowest(optimiser):
        return min(left_after_200_steps(optimiser, lr) for lr in (0.01, 0.03, 0.1, 0.3, 1.0))

    def left_after_200_steps(optimiser, lr):
        weights = {"w": torch.ones(1, 1, 6, 8, dtype=torch.float64, requires_grad=True)}
        state = optimiser.start(weights)
        for step in range(200):
            loss = (a.T @ weights["w"] @ b).square().sum() / 2
            gradients = dict(zip(weights, torch.autograd.grad(loss, [weights["w"]]), strict=True))
            lr_L = torch.tensor([lr * (1 - step / 200)], dtype=torch.float64)
            optimiser.step(weights, state, gradients, lr_L)
        return loss.item()

    second_order = lowest(SOAP(weight_decay=0.0))
    adam = lowest(AdamW(weight_decay=0.0))
    descent = lowest(SGD(momentum=0.9, nesterov=False, weight_decay=0.0))
    assert second_order < min(adam, descent) / 10
