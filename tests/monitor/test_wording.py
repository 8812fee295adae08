"""All sentences of the monitor."""

import inspect
import re

import pytest

from jtdiag.monitor import wording

SENTENCES = [
    (
        wording.sampling_note(counted=50, batches=150, error_se=0.0052),
        "(Estimated from 50 of 150 batches; largest standard error of a member's error: 0.5 "
        "percentage points.)",
    ),
    (
        wording.sampling_note(counted=1, batches=150, error_se=float("nan")),
        "(Estimated from 1 of 150 batches; standard errors not measured.)",
    ),
    (wording.sampling_note(counted=150, batches=150, error_se=0.0), ""),
    (
        wording.stopped("a batch has 3 members; previous batches had 4."),
        "The monitor of jtdiag has stopped: a batch has 3 members; previous batches had 4. "
        "Training is not affected. With strict=True, the monitor raises the error.",
    ),
    (
        wording.stopped("RuntimeError: out of memory"),
        "The monitor of jtdiag has stopped: RuntimeError: out of memory. Training is not "
        "affected. With strict=True, the monitor raises the error.",
    ),
    ("; ".join(wording.summary({}, [])), "no epoch has ended yet"),
    (
        "; ".join(wording.summary({"jtdiag/diversity": 0.25, "jtdiag/ensemble_error": 0.1}, [])),
        "last epoch: diversity 0.25, ensemble_error 0.1; no rule fired",
    ),
    (
        wording.no_tensor("logits", "NoneType"),
        "logits are of type NoneType; they must be a tensor (M, N, K), or M tensors (N, K).",
    ),
    (wording.no_tensor("targets", "list"), "targets are of type list; they must be a tensor."),
    (
        wording.single_logit((4, 6, 1)),
        "logits are (4, 6, 1) with one logit per example, which the family categorical does not "
        'support; for two classes, pass family="bernoulli", logits (M, N, 1) and targets 0 or 1.',
    ),
    (
        wording.members_second(4),
        " If logits are of 4 members, examples come first; pass logits.transpose(0, 1).",
    ),
    (
        wording.probabilities_in_loop(),
        "The outputs that update received are between 0 and 1 and sum to 1, like class "
        "probabilities, but they are taken as logits; pass the outputs before the softmax, or "
        "their logarithms.",
    ),
    (
        wording.other_weights((3,), 24),
        "weights are (3,), but there are 24 examples; pass a weight for each.",
    ),
    (
        wording.other_class_weights((2,), 5),
        "class_weights are (2,); they must be (5,), one for each class, and targets classes "
        "(N,), not probabilities.",
    ),
    (
        wording.only_for_classes(),
        "class_weights and label_smoothing are for the family categorical; leave them out.",
    ),
    (
        wording.smoothing_and_weights(),
        "class_weights and label_smoothing are both given; the monitor supports one of them, or"
        " pass the losses to update_losses.",
    ),
    (
        wording.other_outputs(3, 4),
        "logits have 3 outputs; those of previous batches had 4.",
    ),
    (
        wording.integer_probabilities("torch.int64"),
        "targets (N, K) are torch.int64; they must be class probabilities in floating point, or "
        "classes (N,).",
    ),
    (
        wording.out_of_range(number=2, examples=50, epoch=1, allowed="numbers from 0 to 1"),
        "2 of 50 examples sampled in epoch 1 have targets out of range; allowed are numbers from "
        "0 to 1.",
    ),
    (
        wording.out_of_range(number=1, examples=50, epoch=None, allowed="finite numbers"),
        "1 of 50 examples recorded has a target out of range; allowed are finite numbers.",
    ),
    (
        wording.no_batches(2, ""),
        "epoch 2 has no batches; call update(logits, targets) in every training step.",
    ),
    (
        wording.no_batches(1, "branches.2"),
        "epoch 1 has no batch in which every branch was evaluated; branch 'branches.2' was "
        "skipped in the last one. Watch branches that are always evaluated.",
    ),
    (
        wording.none_counted(2, -100),
        "Epoch 2 has no metrics: its sampled batches have no examples, except those with the "
        "target -100, which are left out.",
    ),
    (
        wording.one_member("Linear"),
        "watch_parameters was passed a single Linear; pass M modules or lists of tensors, or "
        "stacked tensors (M, …) by name.",
    ),
    (wording.other_members(1, 3), "a batch has 1 member; previous batches had 3."),
    (wording.other_members(2, 3), "a batch has 2 members; previous batches had 3."),
    (
        wording.not_dense("sparse_coo"),
        "logits or targets have the layout sparse_coo; they must be dense tensors.",
    ),
    (
        wording.lam_out_of_range(2),
        "lam is 2; it must be a number from 0 to 1, or None for another loss.",
    ),
    (wording.not_callable("tell", "int"), "tell is of type int; it must be a function."),
    (
        wording.probabilities_in_store(),
        "targets of record are class probabilities (N, K); a store needs classes (N,).",
    ),
    (
        wording.not_recorded("runs/demo"),
        "runs/demo was not recorded by a monitor, so no recording can be continued in it; choose "
        "another folder, or resume the run with: jtdiag train --resume",
    ),
    (
        wording.other_splits("runs/mine", [], ["test", "val"]),
        "runs/mine contains outputs of test, val, but those of no split were recorded; record the "
        "same splits.",
    ),
    (
        wording.second_start("runs/mine"),
        "runs/mine: outputs were recorded after two epochs without a batch of training; call "
        "update(logits, targets) in every training step. For logits that were saved earlier, use "
        "jtdiag.from_logits.",
    ),
    (
        wording.only_start("runs/mine"),
        "runs/mine was not written: outputs were recorded, but no epoch of training followed. Call "
        "update(logits, targets) in every training step. For logits that were saved earlier, use "
        "jtdiag.from_logits.",
    ),
    (
        wording.monitor(4, 1, 0, stopped=True),
        "<DominanceMonitor: 4 members, 1 epoch, 0 alerts, stopped>",
    ),
    (
        wording.unknown_splits(["a", "b"]),
        "logits are given for 'a' and 'b'; splits are 'train', 'val' and 'test'.",
    ),
    (
        wording.targets_by_split(["val", "test"]),
        "logits are given for 'val' and 'test', but targets are one array; pass a dict of targets "
        "too.",
    ),
    (
        wording.other_targets(["test"], ["val"]),
        "logits are given for 'test' and targets for 'val'; pass both for the same splits.",
    ),
    (
        wording.shapes_of_splits({"val": (1, 3, 9, 4), "test": (1, 2, 9, 4)}),
        "logits are (1, 3, 9, 4) for val and (1, 2, 9, 4) for test (epochs, members, examples, "
        "outputs); only the number of examples may differ between splits.",
    ),
    (
        wording.no_array("object"),
        "logits or targets have the dtype object; pass arrays or tensors of numbers, with the same "
        "shape for every member.",
    ),
    (
        wording.logits_shape("test", (9, 4), (9,)),
        "logits of test are (9, 4) and targets (9,); logits must be (M, N, K), members first, or "
        "(E, M, N, K) with epochs first, and targets (N,) or (N, K).",
    ),
    (
        wording.logits_order("test", (9, 5, 4), 9, "(1, 0, 2)"),
        "logits of test are (9, 5, 4), but there are 9 targets; the order must be (M, N, K), "
        "members first. They may need logits.transpose(1, 0, 2).",
    ),
    (
        wording.not_finite("val", 1),
        "1 logit is not finite on val; leave out epochs and members that diverged.",
    ),
    (
        wording.one_hot_targets("test"),
        "targets of test are one-hot rows (N, K); pass classes (N,): targets.argmax(1).",
    ),
    (
        wording.fractional_targets("test"),
        "targets of test are not whole numbers; classes are 0 to K−1. For numbers to predict, pass "
        'family="gaussian" or "poisson".',
    ),
    (
        wording.target_range("test", 1, 4, 4),
        "targets of test are 1 to 4, and logits have 4 outputs; classes must be 0 to 3. Pass "
        "targets - 1.",
    ),
    (
        wording.epochs_of_logits(4, 1),
        "epochs is 4 and logits are of 1 epoch; it must be the number of epochs of training for"
        " logits (M, N, K) of the last one, or for logits (E, M, N, K) the E epochs after which"
        " they were saved, in increasing order.",
    ),
    (
        wording.probabilities_given("test"),
        "The outputs on test are between 0 and 1 and sum to 1: they are read as class "
        "probabilities, and their logarithms are taken as logits.",
    ),
    (
        wording.no_better_than_chance("test", 0.9, 0.75),
        "The error of the ensemble on test is 90.0 %, not below chance level, 75.0 %: targets may "
        "be in another order than the logits.",
    ),
    (
        wording.all_zero("test", 0),
        "logits of test are all 0 at index 0 of the epochs, as in an array that was not filled;"
        " leave that epoch out.",
    ),
    (
        wording.metrics_of_other_split("val"),
        "metrics are given for 'val'; they can be those of 'train' and of splits with logits.",
    ),
    (
        wording.metrics_shape("train", (5, 18), (6, 18)),
        "metrics of train are (5, 18); for these logits and epochs they must be (6, 18): "
        "numbers (epochs, 3 + 3M).",
    ),
    (
        wording.metrics_order("train", 3),
        "metrics of train: in epoch 3, the second column is not the mean of the members' "
        "losses; columns must be ensemble loss, mean member loss, ensemble error, M losses, M "
        "errors, M entropies.",
    ),
    (
        wording.metrics_no_fractions("train"),
        "metrics of train have errors outside 0 to 1; pass fractions, not percentages.",
    ),
    (
        wording.no_known_array(["a", "b"]),
        "its arrays are a, b; logits must be named test, val or train, and targets "
        "test_targets, val_targets or train_targets.",
    ),
    (
        wording.given_twice("targets", "test"),
        "there are two arrays of targets for test; keep one.",
    ),
    (
        wording.no_npy("x.npy"),
        "x.npy is not a complete file of NumPy; write it with np.save.",
    ),
    (
        wording.objects_in_npy("x.npy"),
        "x.npy contains Python objects, which are not read; convert the array, for example with "
        "array.astype(float), and write it with np.save.",
    ),
    (
        wording.not_a_file("x.npy"),
        "x.npy is not a regular file; it must be a file of NumPy.",
    ),
    (
        wording.too_many_epochs(10**20, 100_000),
        "epochs is 100000000000000000000; at most 100000 can be recorded. Leave it out if it is not"
        " known.",
    ),
    (
        wording.no_outputs("test", (0, 9, 4)),
        "logits of test are (0, 9, 4); there must be a member, an example and outputs.",
    ),
    (
        wording.targets_of_numbers("test", (9,), 4),
        "targets of test are (9,); for 4 outputs they must be (N, 4).",
    ),
    (
        wording.column_of_targets("test", (9, 1)),
        "targets of test are (9, 1); pass classes (N,): targets[:, 0].",
    ),
    (
        wording.other_targets(["test"], []),
        "logits are given for 'test', but no targets.",
    ),
    (
        wording.not_one_of_each("test", [(9, 4), (9, 5)]),
        "several files have logits of test, with the shapes (9, 4) and (9, 5); they must be (N,"
        " K), the same in every file, one file for each member.",
    ),
    (
        wording.no_file("x.pt"),
        "x.pt: there is no such file.",
    ),
    (
        wording.no_safetensors(),
        "the package safetensors is not installed, and this file needs it: pip install "
        "safetensors.",
    ),
    (
        wording.unsafe_file("x.ckpt", "argparse.Namespace"),
        "x.ckpt contains an object of argparse.Namespace besides tensors, and loading it could "
        "execute code; save the weights alone: torch.save(module.state_dict(), path).",
    ),
    (
        wording.damaged_file("x.pt", "too short"),
        "x.pt cannot be read (too short); it must be written by torch.save or safetensors.",
    ),
    (
        wording.no_state_dict("x.pt"),
        "x.pt contains no state_dict, a dictionary of tensors by name; save module.state_dict().",
    ),
    (
        wording.other_tensors("x.pt", "0.weight", (4, 5), (6, 5), ["0.weight"]),
        "x.pt: 0.weight is (4, 5), but (6, 5) in the module of the factory.",
    ),
    (
        wording.other_tensors("x.pt", "0.weight", None, (6, 5), ["a", "b", "c", "d"]),
        "x.pt has no tensor 0.weight (6, 5), which the module of the factory has; it has 4: a, "
        "b, c, ….",
    ),
    (
        wording.unclear_members("x.pt", ["net.", "ema."]),
        "x.pt contains several modules like that of the factory: net., ema.; keep the tensors "
        "of the members only.",
    ),
    (
        wording.no_module("dict"),
        "the factory returns a dict; it must return a torch.nn.Module with parameters.",
    ),
    (
        wording.factory_fails("no weights"),
        "the factory fails: no weights",
    ),
    (
        wording.module_fails((90, 5), "shapes cannot be multiplied"),
        "the module of the factory fails on inputs (90, 5): shapes cannot be multiplied",
    ),
    (
        wording.module_output("Tensor", (90, 3, 1)),
        "the module of the factory returns (90, 3, 1); it must return outputs (N, K).",
    ),
    (
        wording.module_output("tuple", None),
        "the module of the factory returns a tuple; it must return outputs (N, K).",
    ),
    (
        wording.not_combined(),
        "the watched parameters are distributed over processes (FSDP); call "
        "monitor.combine_processes() in all of them.",
    ),
    (
        wording.stacked_and_distributed(),
        "watch_parameters was passed stacked tensors (M, …) that are distributed over processes; "
        "pass M modules or lists of tensors.",
    ),
    (
        wording.distributed_checkpoint("weight"),
        "the tensor weight of the checkpoint is distributed over processes; pass its "
        "full_tensor(), which all processes must call.",
    ),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_reads_as_expected(sentence, expected):
    assert sentence == expected
    assert not re.search(r"\bnan\b|\binf\b|  | \.", sentence)


def test_every_public_function_is_tested():
    source = inspect.getsource(inspect.getmodule(test_every_public_function_is_tested))
    public = [
        name
        for name, value in vars(wording).items()
        if inspect.isfunction(value) and not name.startswith("_")
    ]
    assert public
    assert all(f"wording.{name}(" in source for name in public)
