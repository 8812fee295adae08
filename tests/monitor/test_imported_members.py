"""Runs made of the weights of members that were trained elsewhere."""

import importlib.util

import numpy as np
import pytest
import torch
from torch import nn

import jtdiag
from jtdiag.errors import DataError
from jtdiag.integrations import torchvision as torchvision_import
from jtdiag.monitor.state_files import members_in, states_of

M, D, K = 12, 5, 3
RANDOM = np.random.default_rng(0)
CENTER = 2 * RANDOM.normal(size=(K, D))
Y = np.arange(150) % K
X = (CENTER[Y] + RANDOM.normal(size=(150, D))).astype(np.float32)
DATA = (X[:90], Y[:90], X[90:], Y[90:])


def make():
    return nn.Sequential(nn.Linear(D, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, K))


def trained(count=M):
    members = []
    for seed in range(count):
        torch.manual_seed(seed)
        member = make()
        adam = torch.optim.Adam(member.parameters(), 0.05)
        for _ in range(10):
            adam.zero_grad()
            nn.functional.cross_entropy(
                member(torch.tensor(X[:90])), torch.tensor(Y[:90])
            ).backward()
            adam.step()
        members.append(member.eval())
    return members


MEMBERS = trained()


class OfLightning(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.ModuleDict({"members": nn.ModuleList(MEMBERS), "head": nn.Linear(2, 2)})


def files_of(kind, folder):
    """The same members in files of one kind."""
    whole = nn.ModuleList(MEMBERS).state_dict()
    if kind == "safetensors":
        from safetensors.torch import save_file

        save_file(whole, folder / "all.safetensors")
        return folder / "all.safetensors"
    if kind == "one file each":
        for j, member in enumerate(MEMBERS):
            torch.save(member.state_dict(), folder / f"{j}.pt")
        return [folder / f"{j}.pt" for j in range(M)]
    content = {
        "list": [member.state_dict() for member in MEMBERS],
        "ensemble": whole,
        "beside the module that was copied": {**whole, **_named("template.", make().state_dict())},
        "lightning": {"epoch": 3, "state_dict": OfLightning().state_dict(), "callbacks": {}},
        "data parallel": [_named("module.", member.state_dict()) for member in MEMBERS],
    }[kind]
    torch.save(content, folder / "all.ckpt")
    return folder / "all.ckpt"


def _named(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    "kind",
    [
        *("safetensors", "one file each", "list", "ensemble", "lightning", "data parallel"),
        "beside the module that was copied",
    ],
)
def test_members_are_found_in_their_order(kind, tmp_path):
    expected = {name: tensor.shape for name, tensor in make().state_dict().items()}
    pieces = states_of(files_of(kind, tmp_path))
    members = [m for where, state in pieces for m in members_in(where, state, expected)]
    assert len(members) == M
    for got, member in zip(members, MEMBERS, strict=True):
        assert got.keys() == member.state_dict().keys()
        assert all(torch.equal(got[name], t) for name, t in member.state_dict().items())


@pytest.mark.slow
def test_the_run_is_that_of_the_outputs(tmp_path):
    states = [member.state_dict() for member in MEMBERS]
    run = jtdiag.from_state_dicts(states, make, DATA, lam=0, epochs=10, out=tmp_path / "weights")
    with torch.no_grad():
        test, train = (
            np.stack([member(torch.tensor(x)).numpy() for member in MEMBERS])
            for x in (X[90:], X[:90])
        )
    [block] = run.outputs(run.lanes[0], 10, "test")
    np.testing.assert_allclose(block.logits, test, atol=1e-6)
    metrics = run.metrics().isel(lam=0, trial=0).sel(epoch=10)
    for split, outputs, target in (("test", test, Y[90:]), ("train", train, Y[:90])):
        wrong = (outputs.argmax(-1) != target).mean(1)
        np.testing.assert_allclose(metrics["member_error"].sel(split=split), wrong)
        mean = outputs.mean(0).argmax(-1)
        assert metrics["ensemble_error"].sel(split=split) == pytest.approx((mean != target).mean())


def failing():
    raise OSError("no weights")


class Unsafe:
    pass


def save(folder, content):
    torch.save(content, folder / "x.pt")
    return folder / "x.pt"


CASES = {
    "missing": (lambda _: "none.pt", make, "none.pt: there is no such file"),
    "objects": (
        lambda f: save(f, {"state_dict": make().state_dict(), "hyper_parameters": Unsafe()}),
        make,
        "besides tensors, and loading it could execute code; save the weights alone",
    ),
    "no weights": (lambda f: save(f, {"epoch": 3}), make, "contains no state_dict"),
    "other shape": (
        lambda _: nn.Sequential(nn.Linear(D, 4)).state_dict(),
        lambda: nn.Sequential(nn.Linear(D, 6)),
        r"0\.weight is \(4, 5\), but \(6, 5\) in the module",
    ),
    "other names": (
        lambda _: nn.Linear(D, 4).state_dict(),
        make,
        r"has no tensor 0\.weight \(4, 5\).*it has 2: weight, bias",
    ),
    "two copies": (
        lambda _: {**_named("net.", make().state_dict()), **_named("ema.", make().state_dict())},
        make,
        r"several modules like that of the factory: net\., ema\.",
    ),
    "not a module": (lambda _: make().state_dict(), dict, "returns a dict; it must return a torch"),
    "no parameters": (lambda _: make().state_dict(), nn.ReLU, "a module without parameters"),
    "factory fails": (lambda _: make().state_dict(), failing, "the factory fails: no weights"),
    "another input": (
        lambda _: nn.Linear(7, K).state_dict(),
        lambda: nn.Linear(7, K),
        r"fails on inputs \(90, 5\)",
    ),
    "no logits": (
        lambda _: nn.Sequential(nn.Linear(D, K), nn.Unflatten(1, (K, 1))).state_dict(),
        lambda: nn.Sequential(nn.Linear(D, K), nn.Unflatten(1, (K, 1))),
        r"returns \(90, 3, 1\); it must return outputs \(N, K\)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_no_member_is_one_line(name, tmp_path):
    states, factory, message = CASES[name]
    with pytest.raises(DataError, match=message) as caught:
        jtdiag.from_state_dicts(states(tmp_path), factory, DATA, lam=0, out=tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_damaged_file_is_one_line(tmp_path):
    for name in ("x.pt", "x.safetensors"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(DataError, match=f"{name} (cannot be read|contains)"):
            states_of(tmp_path / name)


# --- other packages ------------------------------------------------------------------------------


def needs(package):
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = make()

    def forward(self, x):
        return self.net(x)


def predictions(state, tmp_path):
    run = jtdiag.from_state_dicts(state, Net, DATA, lam=0, out=tmp_path / "run")
    [block] = run.outputs(run.lanes[0], 1, "test")
    return block.logits


@needs("torchensemble")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_an_ensemble_of_torchensemble(tmp_path):
    from torch.utils.data import DataLoader, TensorDataset
    from torchensemble import VotingClassifier

    ensemble = VotingClassifier(estimator=Net(), n_estimators=3, cuda=False)
    ensemble.set_optimizer("Adam", lr=0.05)
    loader = DataLoader(TensorDataset(torch.tensor(X[:90]), torch.tensor(Y[:90])), batch_size=30)
    ensemble.fit(loader, epochs=2, save_model=False)
    got = predictions(ensemble.state_dict(), tmp_path)
    with torch.no_grad():
        expected = [member.eval()(torch.tensor(X[90:])) for member in ensemble.estimators_]
    np.testing.assert_allclose(got, torch.stack(expected), atol=1e-6)


@needs("torch_uncertainty")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_an_ensemble_of_torch_uncertainty(tmp_path):
    torchvision_import.repair()
    from torch_uncertainty.methods import deep_ensembles

    ensemble = deep_ensembles(Net(), num_estimators=3, reset_model_parameters=True).eval()
    got = predictions(ensemble.state_dict(), tmp_path)
    with torch.no_grad():
        expected = ensemble(torch.tensor(X[90:]))
    np.testing.assert_allclose(got.reshape(-1, K), expected.reshape(-1, K), atol=1e-6)
