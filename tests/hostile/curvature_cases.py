"""Curvature with respect to the weights: that of a dense Hessian, or refused in one line."""

from pathlib import Path

import numpy as np
import torch
from hostile_case import hostile, jtdiag
from torch.nn.attention import SDPBackend, sdpa_kernel
from users_module import trained

from jtdiag import Run
from jtdiag.replay import Replay
from jtdiag_probes.conditioning.weight_conditioning import WeightCurvature
from jtdiag_probes.linalg.derivative_check import TOLERANCE

KIND = "curvature"
SMOOTH = "lambda self, x: self.head(self.act(self.a(x)))"


def dense(run: Run) -> np.ndarray:
    """Return the eigenvalues of the loss's Hessian, formed by differences of gradients.

    Every column is a central difference of the gradient in float64, so no second derivative of
    autograd takes part.
    """
    replay = Replay.of(run, run.lanes[1], 1).double()
    x, target = replay.examples("train")
    shapes = {name: w.shape for name, w in replay.trained.items()}
    start = torch.cat([w.flatten() for w in replay.trained.values()])

    def gradient(point: torch.Tensor) -> torch.Tensor:
        point = point.clone().requires_grad_()
        pieces = torch.split(point, [shape.numel() for shape in shapes.values()])
        weights = {n: p.view(shapes[n]) for n, p in zip(shapes, pieces, strict=True)}
        logits = replay.logits_of(weights, x.double())
        [result] = torch.autograd.grad(replay.loss_of(logits, target), [point])
        return result

    step = 1e-5
    units = torch.eye(len(start), dtype=torch.float64) * step
    columns = [(gradient(start + unit) - gradient(start - unit)) / (2 * step) for unit in units]
    matrix = torch.stack(columns).numpy()
    return np.linalg.eigvalsh((matrix + matrix.T) / 2)


def is_right(tmp_path: Path, body: str) -> None:
    """Check both ends of the Hessian's spectrum, and that the derivatives were trusted."""
    run = trained(tmp_path, body)
    with sdpa_kernel(SDPBackend.MATH):
        curvature = WeightCurvature(Replay.of(run, run.lanes[1], 1))
        assert curvature.derivative_error() <= TOLERANCE
        ends = curvature.ends_of_hessian()
    expected = dense(run)
    np.testing.assert_allclose(ends["hessian_max"], expected[-1], rtol=1e-4)
    np.testing.assert_allclose(ends["hessian_min"], expected[0], rtol=0.05, atol=1e-4)


def is_refused(tmp_path: Path, body: str) -> None:
    """Check that nothing is measured with respect to the weights, in one finding per λ."""
    run = trained(tmp_path, body)
    numbers = WeightCurvature(Replay.of(run, run.lanes[1], 1)).numbers()
    assert list(numbers) == ["derivative_error"]
    assert numbers["derivative_error"] > TOLERANCE


def function(backward: str, *, once: bool = False) -> str:
    """Return a module with a SiLU that is written by hand."""
    decorator = "    @torch.autograd.function.once_differentiable\n" if once else ""
    return (
        (
            "class Own(torch.autograd.Function):\n"
            "    @staticmethod\n"
            "    def forward(ctx, x):\n"
            "        ctx.save_for_backward(x)\n"
            "        ctx.x = x.detach()\n"
            "        return x * torch.sigmoid(x)\n\n"
            "    @staticmethod\n"
            f"{decorator}"
            "    def backward(ctx, g):\n"
            "        (x,) = ctx.saved_tensors\n"
            f"        {backward}\n"
            "        s = torch.sigmoid(x)\n"
            "        return g * (s + x * s * (1 - s))\n\n"
            "def make():\n"
            "    return Net(lambda self, x: self.head(Own.apply(self.a(x))), a=nn.Linear(D, 4),\n"
            "               head=nn.Linear(4, K))\n"
        )
        .replace("head=nn.Linear(4, K)", "b=nn.Linear(4, D)")
        .replace("self.head(Own.apply(self.a(x)))", "self.head(self.b(Own.apply(self.a(x))))")
    )


@hostile(KIND, "a custom function with a right second derivative", "shown")
def right_function(tmp_path: Path) -> None:
    is_right(tmp_path, function("pass"))


@hostile(KIND, "a custom function that is differentiable once", "refused")
def once_differentiable(tmp_path: Path) -> None:
    is_refused(tmp_path, function("pass", once=True))


@hostile(
    KIND, "a custom function whose second derivative is wrong: detached or kept on ctx", "refused"
)
def wrong_function(tmp_path: Path) -> None:
    is_refused(tmp_path, function("x = ctx.x"))


@hostile(
    KIND,
    "a custom function, by the command: the other probes run, the reason is one line",
    "refused",
)
def by_command(tmp_path: Path) -> None:
    trained(tmp_path, function("x = ctx.x"))
    ran = jtdiag("probe", "run", "conditioning", "diversity")
    assert ran.exit_code == 0, ran.output
    said = [line for line in ran.output.splitlines() if "is not measured" in line]
    assert len(said) == 2
    assert all("no correct second derivative (products differ from finite" in line for line in said)
    assert "nan" not in ran.output.lower().split()


@hostile(KIND, "scaled_dot_product_attention", "shown")
def attention(tmp_path: Path) -> None:
    is_right(
        tmp_path,
        "def forward(self, x):\n"
        "    q, k, v = self.qkv(x.view(-1, 1, 3, 2)).chunk(3, -1)\n"
        "    return self.head(F.scaled_dot_product_attention(q, k, v).flatten(1))\n\n"
        "def make():\n    return Net(forward, qkv=nn.Linear(2, 6))\n",
    )


@hostile(KIND, "a fused attention kernel that the module insists on", "refused")
def forced_attention(tmp_path: Path) -> None:
    is_refused(
        tmp_path,
        "from torch.nn.attention import SDPBackend, sdpa_kernel\n\n"
        "def forward(self, x):\n"
        "    q, k, v = self.qkv(x.view(-1, 1, 3, 2)).chunk(3, -1)\n"
        "    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):\n"
        "        return self.head(F.scaled_dot_product_attention(q, k, v).flatten(1))\n\n"
        "def make():\n    return Net(forward, qkv=nn.Linear(2, 6))\n",
    )


@hostile(KIND, "a frozen layer", "shown")
def frozen(tmp_path: Path) -> None:
    is_right(
        tmp_path,
        "def make():\n"
        f"    net = Net({SMOOTH}, a=nn.Linear(D, D), act=nn.Tanh())\n"
        "    net.a.requires_grad_(False)\n"
        "    return net\n",
    )


@hostile(KIND, "a layer that takes no part, and a parameter without an element", "shown")
def unused(tmp_path: Path) -> None:
    is_right(
        tmp_path,
        "def make():\n"
        f"    net = Net({SMOOTH}, a=nn.Linear(D, D), act=nn.Tanh(), left=nn.Linear(2, 2))\n"
        "    net.nothing = nn.Parameter(torch.zeros(0))\n"
        "    return net\n",
    )


@hostile(KIND, "a linear model, whose gradient is linear in nothing but the loss", "shown")
def linear(tmp_path: Path) -> None:
    is_right(tmp_path, "def make():\n    return Net()\n")


@hostile(KIND, "tied weights, and one submodule under two names", "shown")
def tied(tmp_path: Path) -> None:
    is_right(
        tmp_path,
        "def make():\n"
        "    layer = nn.Linear(D, D)\n"
        "    net = Net(lambda self, x: self.head(self.c(self.b(self.a(x).tanh()).tanh())),\n"
        "              a=layer, b=layer, c=nn.Linear(D, D))\n"
        "    net.c.weight = layer.weight\n"
        "    return net\n",
    )


@hostile(KIND, "BatchNorm and an LSTM", "shown")
def layers(tmp_path: Path) -> None:
    is_right(
        tmp_path,
        "def forward(self, x):\n"
        "    return self.head(self.lstm(self.norm(self.a(x)).view(-1, 3, 2))[0].flatten(1))\n\n"
        "def make():\n"
        "    return Net(forward, a=nn.Linear(D, D), norm=nn.BatchNorm1d(D),\n"
        "               lstm=nn.LSTM(2, 2, batch_first=True))\n",
    )


@hostile(KIND, "weight_norm, whose second derivative is wrong in PyTorch", "refused")
def fused_weight_norm(tmp_path: Path) -> None:
    is_refused(
        tmp_path,
        "from torch.nn.utils.parametrizations import weight_norm\n\n"
        "def make():\n"
        f"    return Net({SMOOTH}, a=weight_norm(nn.Linear(D, D)), act=nn.Tanh())\n",
    )


@hostile(KIND, "inputs that are changed in place", "shown")
def in_place(tmp_path: Path) -> None:
    is_right(
        tmp_path,
        "def make():\n"
        "    return Net(lambda self, x: self.head(self.a(x.mul_(2)).tanh()), a=nn.Linear(D, D))\n",
    )


@hostile(KIND, "rounding with a straight-through gradient, detach and no_grad", "refused")
def straight_through(tmp_path: Path) -> None:
    is_refused(
        tmp_path,
        "def forward(self, x):\n"
        "    h = self.a(x)\n"
        "    return self.head(h + (h.round() - h).detach())\n\n"
        "def make():\n    return Net(forward, a=nn.Linear(D, D))\n",
    )


@hostile(KIND, "distances without a second derivative (torch.cdist)", "refused")
def distances(tmp_path: Path) -> None:
    is_refused(
        tmp_path,
        "class Prototypes(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.points = nn.Parameter(torch.randn(K, D))\n\n"
        "    def forward(self, x):\n"
        "        return -torch.cdist(x, self.points)\n\n"
        "def make():\n    return Prototypes()\n",
    )


@hostile(KIND, "outputs in half precision, and random outputs in evaluation mode", "refused")
def imprecise(tmp_path: Path) -> None:
    is_refused(tmp_path, "def make():\n    return Net(lambda self, x: self.head(x).half())\n")


@hostile(KIND, "units at the kink of a ReLU (biases of 0, inputs of 0)", "shown")
def kinks(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def make():\n"
        "    a = nn.Linear(D, D)\n"
        "    nn.init.zeros_(a.bias)\n"
        "    return Net(lambda self, x: self.head(self.a(x * (x > 9)).relu()), a=a)\n",
    )
    assert WeightCurvature(Replay.of(run, run.lanes[0], 1)).derivative_error() < TOLERANCE
