"""Time a step of convolutional members in every way the engine knows, against the authors'.

    python benchmarks/convnets.py
    python benchmarks/convnets.py --filters 32 64 64 128 128 --threads 1
    python benchmarks/convnets.py --device cuda

The authors of Webb et al. 2020 repeat the images for each member and take grouped convolutions,
channels first, in float32. A ratio above 1 is how many times as long their forward and backward
pass takes. `auto` is the way that the recipe's `engine.execution = "auto"` chooses here.
"""

import argparse
from collections.abc import Mapping

import ratios
import torch
from stopwatch import Contender, Times, machine, race
from torch import Tensor
from torch.nn import functional
from workload import lane_group, noise

from jtdiag.engine.execution import ExecutionPlan, candidate_plans, fastest
from jtdiag.engine.lane_group import LaneGroup
from jtdiag.recipe.recipe import Data, Keep, Members, Recipe, Train

STRIDES = (1, 2, 1, 2, 1)
SHAPE = (3, 32, 32)


def main() -> None:
    """Measure what the command line asks for."""
    options = _options()
    device = torch.device(options.device)
    torch.set_num_threads(options.threads)
    group = _group(options, device)
    open_ways = candidate_plans(group.recipe, group.stack, images=True)
    auto = fastest(open_ways, group.try_step, device)
    order = group._order(1)[:, : options.batch]
    x, target = group._batch(order, "train")
    _agree(group, x)
    contenders = {"the authors'": Contender(step=lambda: _backward(group, _authors(group, x)))}
    for way in open_ways:
        contenders[way.text] = _contender(group, way, x)
    lr, tally = group._per_lane([0.0]), group._running_means()
    contenders["a whole step, auto"] = Contender(
        step=lambda: group._step((1, 0), x, target, lr, tally, positions=order),
        prepare=lambda: setattr(group, "plan", auto.plan),
    )
    times = race(contenders, options.rounds, options.steps, device)
    _show(times, auto.plan.text)
    print(f"\n{machine(device)}")
    by_round = times[auto.plan.text].ratios(times["the authors'"])
    ratios.print_line("forward and backward, auto / the authors'", by_round)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--members", type=int, default=16)
    add("--filters", nargs=5, type=int, default=[16, 32, 32, 64, 64])
    add("--batch", type=int, default=64)
    add("--threads", type=int, default=2)
    add("--rounds", type=int, default=5, help="times every contender has its turn")
    add("--steps", type=int, default=2, help="timed steps of a turn")
    add("--device", default="cpu", help="cpu, or cuda, which has not been tried")
    return parser.parse_args()


def _group(options: argparse.Namespace, device: torch.device) -> LaneGroup:
    members = Members(
        arch="conv", count=options.members, filters=tuple(options.filters), strides=STRIDES
    )
    recipe = Recipe(
        data=Data(name="noise.npz"),
        members=members,
        lam=(0.9,),
        train=Train(batch=options.batch),
        keep=Keep(outputs="none", checkpoints="none"),
    )
    return lane_group(recipe, noise(options.batch, 10, SHAPE), device)


def _contender(group: LaneGroup, way: ExecutionPlan, x: Tensor) -> Contender:
    return Contender(
        step=lambda: _backward(group, group._logits(group._state, x)),
        prepare=lambda: setattr(group, "plan", way),
    )


def _backward(group: LaneGroup, logits: Tensor) -> None:
    torch.autograd.grad(logits, list(group.weights.values()), torch.ones_like(logits))


def _authors(group: LaneGroup, x: Tensor) -> Tensor:
    """Return logits (1, M, K, B): images repeated, grouped convolutions, channels first."""
    state, members = group.weights, group.stack.count
    h = x[0].repeat(1, members, 1, 1)
    for i, stride in enumerate(STRIDES, start=1):
        weight = state[f"layers.conv{i}.weight"][0].flatten(0, 1)
        bias = state[f"layers.conv{i}.bias"][0].flatten()
        h = functional.conv2d(h, weight, bias, stride, groups=members).relu()
    pooled = h.mean((2, 3)).view(len(h), members, -1)
    by_member = torch.baddbmm(
        state["head.bias"][0].unsqueeze(-1), state["head.weight"][0], pooled.permute(1, 2, 0)
    )
    return by_member.unsqueeze(0)


def _agree(group: LaneGroup, x: Tensor) -> None:
    group.plan = ExecutionPlan(execution="stacked")
    with torch.no_grad():
        ours, theirs = group._logits(group._state, x), _authors(group, x)
    print(f"logits differ by at most {float((ours - theirs).abs().max() / theirs.abs().max()):.1e}")


def _show(times: Mapping[str, Times], auto: str) -> None:
    authors = times["the authors'"]
    columns = f"{'fastest':>10}{'median':>10} ms{'over it':>10}{'by round':>10}"
    print(f"\n{'forward and backward':36}{columns}")
    for name, spent in times.items():
        mark = "  <- auto" if name == auto else ""
        print(
            f"  {name:34}{1e3 * spent.fastest:10.1f}{1e3 * spent.median:10.1f}   "
            f"{authors.ratio_of_fastest(spent):10.2f}{authors.ratio_by_round(spent):10.2f}{mark}"
        )


if __name__ == "__main__":
    main()
