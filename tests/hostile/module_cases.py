"""Modules of users as members: each step is that of plain torch, or the module is refused."""

from pathlib import Path

import numpy as np
import pytest
from hostile_case import hostile, is_refused, jtdiag
from users_module import is_as_by_torch, moved, refused, trained, write

from jtdiag import Run
from jtdiag.errors import RecipeError
from jtdiag.replay import Replay

KIND = "module"


# --- what is frozen, shared, unused or of another type -----------------------------------------


@hostile(KIND, "a frozen trunk (requires_grad = False)", "trained")
def frozen_trunk(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def make():\n"
        "    net = Net(lambda self, x: self.head(self.trunk(x).relu()), trunk=nn.Linear(D, D))\n"
        "    net.trunk.requires_grad_(False)\n"
        "    return net\n",
    )
    assert moved(run, "trunk.weight") == moved(run, "trunk.bias") == 0
    is_as_by_torch(run)


@hostile(KIND, "a layer whose weight is frozen and whose bias is not", "trained")
def partly_frozen(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def make():\n    net = Net()\n    net.head.weight.requires_grad_(False)\n    return net\n",
    )
    assert moved(run, "head.weight") == 0 < moved(run, "head.bias")
    is_as_by_torch(run)
    distance = run.metrics()["displacement"].values[0, 0, 1]
    bias = [run.checkpoint(run.lanes[0], epoch)["head.bias"] for epoch in (0, 1)]
    np.testing.assert_allclose(distance, np.linalg.norm(bias[1] - bias[0], axis=1))


@hostile(KIND, "a frozen BatchNorm that stays in evaluation mode", "trained")
def frozen_batch_norm(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "class Frozen(nn.BatchNorm1d):\n"
        "    def train(self, mode=True):\n"
        "        return super().train(False)\n\n"
        "def make():\n"
        "    norm = Frozen(D).requires_grad_(False)\n"
        "    norm.running_mean.fill_(0.3)\n"
        "    return Net(lambda self, x: self.head(self.norm(x)), norm=norm)\n",
    )
    assert moved(run, "norm.running_mean") == moved(run, "norm.num_batches_tracked") == 0
    is_as_by_torch(run)


@hostile(
    KIND,
    "buffers of integers, booleans, complex numbers and float64; one not persistent",
    "trained",
)
def buffers(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def forward(self, x):\n"
        "    x = x[:, self.order] * self.mask + (x * self.phase).real\n"
        "    return self.head(x * self.scale + self.place)\n\n"
        "def make():\n"
        "    net = Net(forward)\n"
        "    net.register_buffer('order', torch.arange(D).flip(0))\n"
        "    net.register_buffer('mask', torch.arange(D) % 2 == 0)\n"
        "    net.register_buffer('phase', torch.polar(torch.ones(D), torch.arange(float(D))))\n"
        "    net.register_buffer('scale', torch.full((D,), 1 / 3, dtype=torch.float64))\n"
        "    net.register_buffer('place', torch.linspace(0, 1, D), persistent=False)\n"
        "    net.register_buffer('absent', None)\n"
        "    return net\n",
    )
    types = {name: run.checkpoint(run.lanes[0], 1)[name].dtype.name for name in run.checkpointed}
    expected = {"order": "int64", "mask": "bool", "phase": "complex64", "scale": "float64"}
    assert {name: types[name] for name in expected} == expected
    is_as_by_torch(run)


@hostile(KIND, "tied weights", "trained")
def tied(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def make():\n"
        "    net = Net(lambda self, x: self.head(self.b(self.a(x).tanh())),\n"
        "              a=nn.Linear(D, D), b=nn.Linear(D, D))\n"
        "    net.b.weight = net.a.weight\n"
        "    return net\n",
    )
    assert set(run.parameters) == {"a.weight", "a.bias", "b.bias", "head.weight", "head.bias"}
    is_as_by_torch(run)


@hostile(KIND, "one submodule under two names, with running statistics", "trained")
def shared_submodule(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def make():\n"
        "    norm = nn.BatchNorm1d(D)\n"
        "    return Net(lambda self, x: self.head(self.b(self.a(x).tanh())), a=norm, b=norm)\n",
    )
    assert (run.checkpoint(run.lanes[0], 1)["a.num_batches_tracked"] == 2).all()
    is_as_by_torch(run)


@hostile(KIND, "one submodule under two names, by vmap", "trained")
def shared_submodule_by_vmap(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def make():\n"
        "    layer = nn.Linear(D, D)\n"
        "    return Net(lambda self, x: self.head(self.b(self.a(x).tanh())), a=layer, b=layer)\n",
        execution="vmap",
    )
    is_as_by_torch(run)


@hostile(KIND, "a layer that takes no part, and parameters without an element", "trained")
def unused(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def make():\n"
        "    net = Net(projection=nn.Linear(D, 4))\n"
        "    net.nothing = nn.Parameter(torch.zeros(0))\n"
        "    return net\n",
    )
    assert moved(run, "projection.weight") == 0
    is_as_by_torch(run)


@hostile(KIND, "a parameter without dimensions, and a frozen one of integers", "trained")
def scalar_parameter(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def make():\n"
        "    net = Net(lambda self, x: self.head(x) / self.temperature)\n"
        "    net.temperature = nn.Parameter(torch.tensor(2.0))\n"
        "    net.index = nn.Parameter(torch.arange(3), requires_grad=False)\n"
        "    return net\n",
    )
    assert moved(run, "index") == 0 < moved(run, "temperature")
    is_as_by_torch(run)


@hostile(KIND, "a parameter whose elements share memory (expand)", "trained")
def expanded(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def make():\n"
        "    net = Net(lambda self, x: self.head(x) + self.offset)\n"
        "    net.offset = nn.Parameter(torch.zeros(1).expand(K))\n"
        "    return net\n",
    )
    offset = run.checkpoint(run.lanes[0], 1)["offset"]
    assert not np.allclose(offset[:, :1], offset)


@hostile(KIND, "weights in half precision", "trained")
def half(tmp_path: Path) -> None:
    run = trained(tmp_path, "def make():\n    return Net().half()\n")
    is_as_by_torch(run)


@hostile(KIND, "logits in float64, half precision or a subclass of Tensor", "trained")
def other_logits(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "class Own(torch.Tensor):\n    pass\n\n"
        "def forward(self, x):\n"
        "    return self.head(x).double().as_subclass(Own)\n\n"
        "def make():\n    return Net(forward)\n",
        precision="float32",
    )
    assert run.metrics()["member_loss"].notnull().all()
    assert run.checkpoint(run.lanes[0], 1)["head.weight"].dtype == np.float32


@hostile(KIND, "a layer in float64 between others, with engine.precision = 'float64'", "trained")
def part_in_double(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def make():\n"
        "    return Net(lambda self, x: self.second(self.head(x).double()),\n"
        "               second=nn.Linear(K, K).double())\n",
    )
    is_as_by_torch(run)


# --- what forward does ---------------------------------------------------------------------------


@hostile(KIND, "a moving average that forward assigns anew (self.mean = …)", "trained")
def assigned_buffer(tmp_path: Path) -> None:
    body = (
        "def forward(self, x):\n"
        "    if self.training:\n"
        "        self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)\n"
        "    return self.head(x - self.mean)\n\n"
        "def make():\n"
        "    net = Net(forward)\n"
        "    net.register_buffer('mean', torch.zeros(D))\n"
        "    return net\n"
    )
    run = trained(tmp_path, body)
    assert moved(run, "mean") > 0
    is_as_by_torch(run)


@hostile(KIND, "a moving average that forward assigns anew, by vmap", "trained")
def assigned_buffer_by_vmap(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def forward(self, x):\n"
        "    if self.training:\n"
        "        self.steps = self.steps + 1\n"
        "    return self.head(x)\n\n"
        "def make():\n"
        "    net = Net(forward)\n"
        "    net.register_buffer('steps', torch.zeros((), dtype=torch.long))\n"
        "    return net\n",
        execution="vmap",
        batch=8,
    )
    assert (run.checkpoint(run.lanes[1], 1)["steps"] == 2).all()


@hostile(KIND, "a buffer that grows with every batch", "refused")
def growing_buffer(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "def forward(self, x):\n"
        "    self.seen = torch.cat([self.seen, x])\n"
        "    return self.head(x)\n\n"
        "def make():\n"
        "    net = Net(forward)\n"
        "    net.register_buffer('seen', torch.zeros(0, D))\n"
        "    return net\n",
        r"its buffer 'seen' changes from shape \(0, 6\) to \(16, 6\)",
    )


@hostile(KIND, "forward that changes its inputs in place", "trained")
def in_place_inputs(tmp_path: Path) -> None:
    body = "def make():\n    return Net(lambda self, x: self.head(x.mul_(2).relu_()))\n"
    is_as_by_torch(trained(tmp_path, body))


@hostile(KIND, "forward that changes its inputs in place, by vmap", "trained")
def in_place_inputs_by_vmap(tmp_path: Path) -> None:
    body = "def make():\n    return Net(lambda self, x: self.head(x.mul_(2).relu_()))\n"
    is_as_by_torch(trained(tmp_path, body, execution="vmap"))


@hostile(
    KIND,
    "forward that changes its inputs in place in training only, two members at a time",
    "trained",
)
def in_place_in_training(tmp_path: Path) -> None:
    body = (
        "def forward(self, x):\n"
        "    if self.training:\n"
        "        x += 1\n"
        "    return self.head(x)\n\n"
        "def make():\n    return Net(forward)\n"
    )
    write(tmp_path, body, count=3)
    ran = jtdiag("train", "recipe.toml", "--out", "run", "--set", "engine.micro_members=2")
    assert ran.exit_code == 0, ran.output
    is_as_by_torch(Run(tmp_path / "run"))


@hostile(KIND, "control flow that depends on the data (.item())", "trained")
def control_flow(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def forward(self, x):\n"
        "    logits = self.head(x)\n"
        "    return 2 * logits if self.head.bias.sum().item() > 0 else logits\n\n"
        "def make():\n    return Net(forward)\n",
    )
    is_as_by_torch(run)


@hostile(KIND, "a part under torch.no_grad", "trained")
def partly_without_gradient(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def forward(self, x):\n"
        "    with torch.no_grad():\n"
        "        x = self.a(x)\n"
        "    return self.head(x)\n\n"
        "def make():\n    return Net(forward, a=nn.Linear(D, D))\n",
    )
    assert moved(run, "a.weight") == 0
    is_as_by_torch(run)


@hostile(KIND, "hooks on a layer, of the forward and the backward pass", "trained")
def hooks(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def make():\n"
        "    net = Net(lambda self, x: self.head(self.a(x)), a=nn.Linear(D, D))\n"
        "    net.a.register_forward_hook(lambda module, inputs, output: output.tanh())\n"
        "    net.head.register_full_backward_hook(lambda module, of_inputs, of_output: None)\n"
        "    return net\n",
    )
    is_as_by_torch(run)


@hostile(KIND, "weight_norm and spectral_norm", "trained")
def parametrized(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "from torch.nn.utils.parametrizations import spectral_norm, weight_norm\n\n"
        "def make():\n"
        "    return Net(lambda self, x: self.head(self.b(self.a(x).tanh())),\n"
        "               a=weight_norm(nn.Linear(D, D)), b=spectral_norm(nn.Linear(D, D)))\n",
    )
    assert moved(run, "b.parametrizations.weight.0._u") > 0
    is_as_by_torch(run)


@hostile(KIND, "lazy layers", "trained")
def lazy(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def make():\n"
        "    return nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d(), nn.LazyLinear(K))\n",
    )
    assert run.parameters["0.weight"] == (4, 6)
    assert (run.checkpoint(run.lanes[0], 1)["1.num_batches_tracked"] == 1).all()


@hostile(KIND, "LSTM, GRU and MultiheadAttention", "trained")
def recurrent(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def forward(self, x):\n"
        "    x = x.view(-1, 3, 2)\n"
        "    x = self.gru(self.lstm(x)[0])[0]\n"
        "    x = x + self.attention(x, x, x, need_weights=False)[0]\n"
        "    return self.head(x.flatten(1))\n\n"
        "def make():\n"
        "    return Net(forward, lstm=nn.LSTM(2, 2, batch_first=True),\n"
        "               gru=nn.GRU(2, 2, batch_first=True),\n"
        "               attention=nn.MultiheadAttention(2, 1, batch_first=True))\n",
    )
    is_as_by_torch(run)


@hostile(KIND, "an embedding of whole numbers, with padding_idx", "trained")
def embedding(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def forward(self, x):\n"
        "    words = (4 * x.abs()).long().clamp(0, 9)\n"
        "    return self.head(self.words(words).mean(1))\n\n"
        "def make():\n    return Net(forward, words=nn.Embedding(10, D, padding_idx=0))\n",
    )
    assert moved(run, "words.weight") > 0
    is_as_by_torch(run)


@hostile(KIND, "an embedding with sparse gradients", "refused")
def sparse_embedding(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "def make():\n"
        "    return Net(lambda self, x: self.head(self.words((4 * x.abs()).long()).mean(1)),\n"
        "               words=nn.Embedding(20, D, sparse=True))\n",
        r"the gradient of 'words.weight' is sparse; set sparse=False in the layer",
    )


@hostile(KIND, "BatchNorm without running statistics", "read, and said")
def batch_norm_without_statistics(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def make():\n"
        "    norm = nn.BatchNorm1d(D, track_running_stats=False)\n"
        "    return Net(lambda self, x: self.head(self.norm(x)), norm=norm)\n",
        "outputs in evaluation mode depend on the other examples of a batch",
    )
    is_as_by_torch(run)


@hostile(KIND, "dropout, also in evaluation mode", "read, and said")
def dropout_always(tmp_path: Path) -> None:
    trained(
        tmp_path,
        "def make():\n    return Net(lambda self, x: self.head(F.dropout(x, 0.5, True)))\n",
        "outputs in evaluation mode are random",
    )


@hostile(KIND, "dropout, resumed: bit for bit the uninterrupted run", "trained")
def dropout(tmp_path: Path) -> None:
    body = (
        "def make():\n    return Net(lambda self, x: self.head(self.drop(x)), drop=nn.Dropout())\n"
    )
    run = trained(tmp_path, body, batch=8)
    assert moved(run, "head.weight") > 0
    again = jtdiag("train", "recipe.toml", "--out", "again")
    assert again.exit_code == 0
    for lane in run.lanes:
        for name, array in run.checkpoint(lane, 1).items():
            assert (Run(tmp_path / "again").checkpoint(lane, 1)[name] == array).all()


@hostile(KIND, "outputs that are probabilities already", "read, and said")
def softmaxed(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def make():\n    return nn.Sequential(nn.Linear(D, K), nn.Softmax(-1))\n",
        "outputs are not negative and sum to 1, like probabilities",
    )
    is_as_by_torch(run)


@hostile(KIND, "NaN in the initial weights", "read, and said")
def nan_at_first(tmp_path: Path) -> None:
    write(
        tmp_path,
        "def make():\n"
        "    net = Net()\n"
        "    net.head.weight.data[0, 0] = float('nan')\n"
        "    return net\n",
    )
    ran = jtdiag("train", "recipe.toml", "--out", "run")
    assert ran.exit_code == 0
    assert "after epoch 0, the training loss of 2 of 2 members is not finite" in ran.output


# --- what something outside of parameters and buffers decides -----------------------------------


@hostile(KIND, "a random tensor that is not registered", "refused")
def unregistered_tensor(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "def make():\n"
        "    net = Net(lambda self, x: self.head(x @ self.projection))\n"
        "    net.projection = torch.randn(D, D)\n"
        "    return net\n",
        r"differ in evaluation mode in their logits\. .* \(use register_buffer\)",
        precision="float32",
    )


@hostile(KIND, "layers in a plain list", "refused")
def unregistered_layers(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "def make():\n"
        "    net = Net(lambda self, x: self.head(self.layers[0](x)))\n"
        "    net.layers = [nn.Linear(D, D).double()]\n"
        "    return net\n",
        r"a tensor that is not registered",
    )


@hostile(KIND, "a counter in Python that changes the outputs", "refused")
def counter(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "def forward(self, x):\n"
        "    self.calls += 1\n"
        "    return self.head(x) * (1 + 0.1 * self.calls)\n\n"
        "def make():\n"
        "    net = Net(forward)\n"
        "    net.calls = 0\n"
        "    return net\n",
        "a counter in Python",
    )


@hostile(KIND, "a counter in Python that changes nothing", "trained")
def harmless_counter(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def forward(self, x):\n"
        "    self.calls += 1\n"
        "    return self.head(x)\n\n"
        "def make():\n"
        "    net = Net(forward)\n"
        "    net.calls = 0\n"
        "    return net\n",
    )
    is_as_by_torch(run)


@hostile(KIND, "random numbers of Python", "refused")
def random_of_python(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "import random\n\n"
        "def make():\n    return Net(lambda self, x: self.head(x) * random.random())\n",
        "random numbers that are not torch's",
    )


@hostile(
    KIND,
    "gradient checkpointing, which would recompute with the weights of another member",
    "refused",
)
def checkpointing(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "from torch.utils.checkpoint import checkpoint\n\n"
        "def forward(self, x):\n"
        "    return self.head(checkpoint(self.a, x, use_reentrant=False))\n\n"
        "def make():\n"
        "    return Net(forward, a=nn.Sequential(nn.Linear(D, D), nn.Tanh()))\n",
        r"its gradients are not those of its parameters, as with torch\.utils\.checkpoint",
        precision="float32",
    )


@hostile(KIND, "modules of one factory that differ in a layer's kind", "refused")
def other_layers(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "import itertools\n\n"
        "count = itertools.count()\n\n"
        "def make():\n"
        "    act = nn.Tanh() if next(count) % 2 else nn.ReLU()\n"
        "    return nn.Sequential(nn.Linear(D, D), act, nn.Linear(D, K))\n",
        "a layer chosen at random",
    )


@hostile(KIND, "modules of one factory that differ in shape", "refused")
def other_shapes(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "import itertools\n\n"
        "width = itertools.count(4)\n\n"
        "def make():\n"
        "    w = next(width)\n"
        "    return nn.Sequential(nn.Linear(D, w), nn.Linear(w, K))\n",
        "the modules that it creates differ: '0.weight' is float32",
    )


@hostile(KIND, "modules of one factory that differ in what is frozen", "refused")
def other_frozen(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "import itertools\n\n"
        "count = itertools.count()\n\n"
        "def make():\n"
        "    net = Net()\n"
        "    net.head.bias.requires_grad_(next(count) % 2 == 0)\n"
        "    return net\n",
        "the modules that it creates differ: 'head.bias' is",
    )


# --- factories ------------------------------------------------------------------------------------


@hostile(KIND, "a factory that sets a seed, so that all members are the same", "read, and said")
def seeded(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def make():\n    torch.manual_seed(0)\n    return Net()\n",
        "all 2 begin with the same weights and stay identical",
    )
    weight = run.checkpoint(run.lanes[0], 1)["head.weight"]
    assert (weight[0] == weight[1]).all()
    is_as_by_torch(run)


@hostile(KIND, "identical members, for the probes of diversity", "read, and said")
def seeded_and_probed(tmp_path: Path) -> None:
    body = "def make():\n    torch.manual_seed(0)\n    return Net()\n"
    trained(tmp_path, body, "begin with the same weights", trials=2, precision="float32")
    ran = jtdiag("probe", "run", "diversity", "collusion")
    assert ran.exit_code == 0, ran.output
    assert "all members have the same weights (λ = 0 and λ = 1)" in ran.output
    assert "collusion:" not in ran.output.split("collusion: ", 1)[1]


@hostile(KIND, "a factory that returns the same module every time", "read, and said")
def same_object(tmp_path: Path) -> None:
    trained(tmp_path, "net = Net()\n\ndef make():\n    return net\n", "begin with the same weights")


@hostile(KIND, "a factory that raises, with several lines", "refused")
def raising(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "def make():\n    raise FileNotFoundError('weights.pt\\nis\\x1b[31m missing')\n",
        "the function fails: weights.pt is",
    )


@hostile(
    KIND,
    "a factory with an argument, one that returns None, and one that returns a class",
    "refused",
)
def no_module(tmp_path: Path) -> None:
    refused(tmp_path, "def make(width):\n    return Net()\n", "missing 1 required positional")
    refused(tmp_path, "def make():\n    pass\n", "returned a NoneType, but must return a torch")
    refused(tmp_path, "make = lambda: Net\n", "returned a type, but must return a torch")


@hostile(KIND, "a ScriptModule, and DataParallel", "refused")
def wrapped(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "import warnings\n\n"
        "def make():\n"
        "    with warnings.catch_warnings():\n"
        "        warnings.simplefilter('ignore')\n"
        "        return torch.jit.script(nn.Linear(D, K))\n",
        "it returned a ScriptModule",
    )
    refused(tmp_path, "def make():\n    return nn.DataParallel(Net())\n", r"return its \.module")


@hostile(
    KIND, "a module on the meta device, one with complex weights, one without parameters", "refused"
)
def unsuitable(tmp_path: Path) -> None:
    refused(tmp_path, "def make():\n    return nn.Linear(D, K, device='meta')\n", "device meta")
    refused(tmp_path, "def make():\n    return nn.Linear(D, K, dtype=torch.complex64)\n", "complex")
    refused(tmp_path, "def make():\n    return nn.Identity()\n", "no parameter .* is trained")
    refused(tmp_path, "def make():\n    return Net().requires_grad_(False)\n", "no parameter")


@hostile(KIND, "parameters with a slash in their names, or named as a coordinate", "refused")
def unusable_names(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "def make():\n    return Net(parts=nn.ModuleDict({'a/b': nn.Linear(2, 2)}))\n",
        r"'parts\.a/b\.weight' cannot be stored under this name",
    )
    refused(
        tmp_path,
        "def make():\n    return Net(lam=nn.Parameter(torch.ones(1)))\n",
        "'lam' cannot be stored under this name; .* none of lam, trial, epoch, member",
    )


# --- outputs --------------------------------------------------------------------------------------


@hostile(KIND, "outputs that are a tuple, a dict, a dataclass, an array or None", "refused")
def not_a_tensor(tmp_path: Path) -> None:
    prelude = "import dataclasses\n\n@dataclasses.dataclass\nclass Out:\n    logits: object\n\n"
    for answer, kind in {
        "(y, y)": "a tuple",
        "{'logits': y}": "a dict",
        "Out(y)": "a Out",
        "y.detach().numpy()": "a ndarray",
        "None": "a NoneType",
    }.items():
        body = f"{prelude}def forward(self, x):\n    y = self.head(x)\n    return {answer}\n\n"
        body += "def make():\n    return Net(forward)\n"
        refused(tmp_path, body, rf"to {kind}, but must map them to logits \(16, 3\); return the")


@hostile(KIND, "auxiliary outputs in training mode only", "refused")
def auxiliary(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "def forward(self, x):\n"
        "    y = self.head(x)\n"
        "    return (y, y) if self.training else y\n\n"
        "def make():\n    return Net(forward)\n",
        "in training mode to a tuple",
    )


@hostile(KIND, "outputs with another number of classes, another dimension, or none", "refused")
def other_shape(tmp_path: Path) -> None:
    for answer, shape in {
        "self.head(x)[:, :2]": r"\(16, 2\)",
        "self.head(x)[:, None]": r"\(16, 1, 3\)",
        "self.head(x).sum()": r"\(\)",
    }.items():
        body = f"def make():\n    return Net(lambda self, x: {answer})\n"
        refused(tmp_path, body, rf"to {shape}, but must map them to logits \(16, 3\)")


@hostile(KIND, "outputs of integers, complex numbers, or a sparse tensor", "refused")
def no_numbers(tmp_path: Path) -> None:
    for answer, kind in {
        ".long()": r"int64 \(strided\)",
        ".to(torch.complex64)": r"complex64 \(strided\)",
        ".to_sparse()": r"float64 \(sparse_coo\)",
    }.items():
        body = f"def make():\n    return Net(lambda self, x: self.head(x){answer})\n"
        refused(tmp_path, body, f"its output is a tensor of {kind}")


@hostile(KIND, "outputs that depend on no parameter", "refused")
def detached(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "def forward(self, x):\n"
        "    with torch.no_grad():\n"
        "        return self.head(x)\n\n"
        "def make():\n    return Net(forward)\n",
        "its output does not depend on any parameter that is trained",
    )


@hostile(KIND, "BatchNorm with a last batch of one example", "refused")
def batch_of_one(tmp_path: Path) -> None:
    body = "def make():\n    return nn.Sequential(nn.BatchNorm1d(D), nn.Linear(D, K))\n"
    parts = (
        "The last batch of an epoch has 1 example",
        "16 training examples and train.batch is 5",
    )
    refused(tmp_path, body, *parts, batch=5)
    assert moved(trained(tmp_path, body, batch=8), "0.running_mean") > 0


@hostile(
    KIND,
    "a module that takes one size of batch, other inputs, or keyword arguments only",
    "refused",
)
def other_inputs(tmp_path: Path) -> None:
    refused(
        tmp_path,
        "def make():\n    return Net(lambda self, x: self.head(x.view(16, D)))\n",
        r"fails in training mode on 4 examples \(6,\)",
    )
    refused(tmp_path, "def make():\n    return nn.Linear(7, K)\n", "mat1 and mat2 shapes")
    refused(
        tmp_path,
        "class Named(Net):\n"
        "    def forward(self, *, pixels):\n"
        "        return self.head(pixels)\n\n"
        "def make():\n    return Named()\n",
        "takes 1 positional argument but 2 were given",
    )


# --- later ----------------------------------------------------------------------------------------


@hostile(KIND, "a factory that was changed after training, for probes", "refused")
def changed_factory(tmp_path: Path) -> None:
    body = "def make():\n    return nn.Sequential(nn.Linear(D, {0}), nn.Linear({0}, K))\n"
    trained(tmp_path, body.format(4), epochs=2)
    (tmp_path / "net.py").write_text(
        (tmp_path / "net.py").read_text().replace("(D, 4)", "(D, 5)").replace("(4, K)", "(5, K)")
    )
    complaint = r"its modules differ from those of the run: '0\.weight' has shape \(2, 5, 6\) now"
    is_refused(jtdiag("probe", "run", "conditioning"), complaint)


@hostile(KIND, "a module that fails on a single example, for probes that evaluate one", "refused")
def fails_in_probe(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "def make():\n"
        "    norm = nn.BatchNorm1d(D, track_running_stats=False)\n"
        "    return Net(lambda self, x: self.head(self.norm(x)), norm=norm)\n",
        "depend on the other examples",
    )
    replay = Replay.of(run, run.lanes[0], 1)
    x, _ = replay.examples("test")
    with pytest.raises(
        RecipeError, match=r"fails in evaluation mode on 1 example \(6,\): Expected"
    ):
        replay.logits(x[:1])
