"""Sentences that the monitor adds to the findings of the rules."""

import math
from collections.abc import Iterable, Mapping, Sequence

from jtdiag import stats
from jtdiag.probing.findings import Finding

ORIGIN = "from a user's training loop; the recipe's data, learning rate and optimizer are unknown"
"""Setting of a run that was recorded."""
TEST_IS_VAL = "the validation examples of the user's training loop; no others were recorded"
"""Setting of a run of which only validation examples were recorded: what its test split holds."""


def sampling_note(*, counted: int, batches: int, error_se: float) -> str:
    """Return a note on the sample that an epoch's metrics are estimated from.

    Args:
        counted: Batches in the sample.
        batches: Batches of the epoch.
        error_se: Largest standard error of the members' training errors, as a fraction; NaN if
            unknown.
    """
    if counted == batches:
        return ""
    precision = (
        f"largest standard error of a member's error: {100 * error_se:.1g} percentage points"
        if math.isfinite(error_se)
        else "standard errors not measured"
    )
    return f"(Estimated from {counted} of {batches} batches; {precision}.)"


def stopped(reason: str) -> str:
    """Return the line that reports that a monitor has stopped because of an error.

    Args:
        reason: A sentence without line breaks, or an error's type and message.
    """
    return (
        f"The monitor of jtdiag has stopped: {_ended(reason)} Training is not affected. With "
        "strict=True, the monitor raises the error."
    )


def _ended(reason: str) -> str:
    return reason if reason.endswith((".", "!", "?", "…")) else f"{reason}."


def monitor(members: int, epochs: int, alerts: int, *, stopped: bool) -> str:
    """Return a monitor on one line.

    Args:
        members: M; 0 before the first batch.
        epochs: Epochs with metrics.
        alerts: Findings that are alerts.
        stopped: Whether it has stopped because of an error.
    """
    counts = ((members, "member"), (epochs, "epoch"), (alerts, "alert"))
    text = ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)
    return f"<DominanceMonitor: {text}{', stopped' if stopped else ''}>"


def summary(scalars: Mapping[str, float], findings: Sequence[Finding]) -> list[str]:
    """Return the numbers of the last epoch on one line, and a line for each finding.

    Args:
        scalars: Numbers by name, such as ``jtdiag/median_skill``; empty before the first epoch.
        findings: All findings so far.
    """
    if not scalars:
        return ["no epoch has ended yet"]
    numbers = (f"{name.partition('/')[2]} {number:.4g}" for name, number in scalars.items())
    lines = [f"last epoch: {', '.join(numbers)}"]
    if not findings:
        return [*lines, "no rule fired"]
    marks = {"alert": "ALERT "}
    return [*lines, *(f"{marks.get(f.level, '')}{f.sentence}" for f in findings)]


def no_tensor(argument: str, actual: str) -> str:
    """Return the error on logits or targets of another type.

    Args:
        argument: "logits" or "targets".
        actual: Name of the type.
    """
    expected = "a tensor (M, N, K), or M tensors (N, K)" if argument == "logits" else "a tensor"
    return f"{argument} are of type {actual}; they must be {expected}."


def single_logit(shape: tuple[int, ...]) -> str:
    """Return the error on logits of a single output, of which a softmax is always 1."""
    return (
        f"logits are {shape} with one logit per example, which the family categorical does not "
        'support; for two classes, pass family="bernoulli", logits (M, N, 1) and targets 0 or 1.'
    )


def members_second(members: int) -> str:
    """Return the advice on logits that seem to be (N, M, K)."""
    return f" If logits are of {members} members, examples come first; pass logits.transpose(0, 1)."


def probabilities_in_loop() -> str:
    """Return the warning on outputs of a training loop that are probabilities."""
    return (
        "The outputs that update received are between 0 and 1 and sum to 1, like class "
        "probabilities, but they are taken as logits; pass the outputs before the softmax, or "
        "their logarithms."
    )


def other_weights(shape: tuple[int, ...], examples: int) -> str:
    """Return the error on another number of weights than of examples."""
    return f"weights are {shape}, but there are {examples} examples; pass a weight for each."


def other_class_weights(shape: tuple[int, ...], outputs: int) -> str:
    """Return the error on weights of classes that do not fit."""
    return (
        f"class_weights are {shape}; they must be ({outputs},), one for each class, and targets "
        "classes (N,), not probabilities."
    )


def only_for_classes() -> str:
    """Return the error on options of classes for another family."""
    return "class_weights and label_smoothing are for the family categorical; leave them out."


def smoothing_and_weights() -> str:
    """Return the error on label smoothing together with weights of classes."""
    return (
        "class_weights and label_smoothing are both given; the monitor supports one of them, or "
        "pass the losses to update_losses."
    )


def other_outputs(outputs: int, before: int) -> str:
    """Return the error on logits with another number of outputs than before."""
    return f"logits have {outputs} outputs; those of previous batches had {before}."


def other_members(members: int, before: int) -> str:
    """Return the error on logits of another number of members than before."""
    counted = "1 member" if members == 1 else f"{members} members"
    return f"a batch has {counted}; previous batches had {before}."


def integer_probabilities(dtype: str) -> str:
    """Return the error on targets (N, K) that are integers, for the family categorical."""
    return (
        f"targets (N, K) are {dtype}; they must be class probabilities in floating point, or "
        "classes (N,)."
    )


def out_of_range(*, number: int, examples: int, epoch: int | None, allowed: str) -> str:
    """Return the error on targets that the family does not allow.

    Args:
        number: Examples with such a target.
        examples: All examples of the sample.
        epoch: Epoch of training; None for recorded outputs.
        allowed: Targets that are allowed.
    """
    where = "recorded" if epoch is None else f"sampled in epoch {epoch}"
    verb = "has a target" if number == 1 else "have targets"
    return f"{number} of {examples} examples {where} {verb} out of range; allowed are {allowed}."


def no_batches(epoch: int, skipped: str) -> str:
    """Return the error on an epoch without batches.

    Args:
        epoch: The epoch.
        skipped: Name of a branch that was skipped in all batches; empty if none was.
    """
    if skipped:
        return (
            f"epoch {epoch} has no batch in which every branch was evaluated; branch {skipped!r} "
            "was skipped in the last one. Watch branches that are always evaluated."
        )
    return f"epoch {epoch} has no batches; call update(logits, targets) in every training step."


def none_counted(epoch: int, ignore_index: int) -> str:
    """Return the line about an epoch whose batches are empty, or whose targets are left out."""
    return (
        f"Epoch {epoch} has no metrics: its sampled batches have no examples, except those with "
        f"the target {ignore_index}, which are left out."
    )


def one_member(actual: str) -> str:
    """Return the error on a single module where several members are expected."""
    return (
        f"watch_parameters was passed a single {actual}; pass M modules or lists of tensors, or "
        "stacked tensors (M, …) by name."
    )


def not_combined() -> str:
    """Return the error on parameters of which this process has a part only."""
    return (
        "the watched parameters are distributed over processes (FSDP); call "
        "monitor.combine_processes() in all of them."
    )


def stacked_and_distributed() -> str:
    """Return the error on stacked parameters that are distributed over processes."""
    return (
        "watch_parameters was passed stacked tensors (M, …) that are distributed over processes; "
        "pass M modules or lists of tensors."
    )


def distributed_checkpoint(name: str) -> str:
    """Return the error on a tensor of a checkpoint of which this process has a part only."""
    return (
        f"the tensor {name} of the checkpoint is distributed over processes; pass "
        "its full_tensor(), which all processes must call."
    )


def not_dense(layout: str) -> str:
    """Return the error on logits or targets in a sparse layout."""
    return f"logits or targets have the layout {layout}; they must be dense tensors."


def lam_out_of_range(lam: object) -> str:
    """Return the error on a λ that is none."""
    return f"lam is {lam!r}; it must be a number from 0 to 1, or None for another loss."


def not_callable(argument: str, actual: str) -> str:
    """Return the error on an argument that is no function.

    Args:
        argument: Its name.
        actual: Name of its type.
    """
    return f"{argument} is of type {actual}; it must be a function."


def probabilities_in_store() -> str:
    """Return the error on recorded outputs whose targets are class probabilities."""
    return "targets of record are class probabilities (N, K); a store needs classes (N,)."


def not_recorded(folder: str) -> str:
    """Return the error on continuing a run that no monitor has recorded."""
    return (
        f"{folder} was not recorded by a monitor, so no recording can be continued in it; choose "
        "another folder, or resume the run with: jtdiag train --resume"
    )


def other_splits(folder: str, given: Iterable[str], stored: Iterable[str]) -> str:
    """Return the error on continuing a recording with outputs of other splits.

    Args:
        folder: The folder of the recording.
        given: Splits whose outputs were recorded now.
        stored: Splits that the recording contains.
    """
    return (
        f"{folder} contains outputs of {', '.join(stored)}, but those of "
        f"{', '.join(given) or 'no split'} were recorded; record the same splits."
    )


def second_start(folder: str) -> str:
    """Return the error on outputs that are recorded epoch by epoch without training."""
    return (
        f"{folder}: outputs were recorded after two epochs without a batch of training; call "
        "update(logits, targets) in every training step. For logits that were saved earlier, use "
        "jtdiag.from_logits."
    )


def only_start(folder: str) -> str:
    """Return the warning on a program that ends before a store was created."""
    return (
        f"{folder} was not written: outputs were recorded, but no epoch of training followed. Call "
        "update(logits, targets) in every training step. For logits that were saved earlier, use "
        "jtdiag.from_logits."
    )


# --- logits that were saved elsewhere ------------------------------------------------------------


def unknown_splits(given: Sequence[str]) -> str:
    """Return the error on logits of other splits than those of a run."""
    splits = stats.listed([repr(name) for name in given]) or "no split"
    return f"logits are given for {splits}; splits are 'train', 'val' and 'test'."


def targets_by_split(given: Sequence[str]) -> str:
    """Return the error on one array of targets for several splits."""
    splits = stats.listed([repr(name) for name in given])
    return f"logits are given for {splits}, but targets are one array; pass a dict of targets too."


def other_targets(logits: Sequence[str], targets: Sequence[str]) -> str:
    """Return the error on targets of other splits than the logits."""
    if not targets:
        return (
            f"logits are given for {stats.listed([repr(name) for name in logits])}, but no targets."
        )
    return (
        f"logits are given for {stats.listed([repr(name) for name in logits])} and targets for "
        f"{stats.listed([repr(name) for name in targets])}; pass both for the same splits."
    )


def shapes_of_splits(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return the error on splits with other numbers of epochs, members or outputs."""
    text = stats.listed([f"{shape} for {split}" for split, shape in shapes.items()])
    return (
        f"logits are {text} (epochs, members, examples, outputs); only the number of examples may "
        "differ between splits."
    )


def no_array(dtype: str) -> str:
    """Return the error on logits or targets that are no array of numbers."""
    return (
        f"logits or targets have the dtype {dtype}; pass arrays or tensors of numbers, with the "
        "same shape for every member."
    )


def logits_shape(split: str, logits: tuple[int, ...], targets: tuple[int, ...]) -> str:
    """Return the error on logits and targets of shapes that do not belong together."""
    return (
        f"logits of {split} are {logits} and targets {targets}; logits must be (M, N, K), members "
        "first, or (E, M, N, K) with epochs first, and targets (N,) or (N, K)."
    )


def logits_order(split: str, shape: tuple[int, ...], examples: int, order: str) -> str:
    """Return the error on logits whose dimensions seem to be in another order.

    Args:
        split: The split.
        shape: Of the logits of one epoch.
        examples: Number of targets, N.
        order: Transposition that gives (M, N, K).
    """
    return (
        f"logits of {split} are {shape}, but there are {examples} targets; the order must be "
        f"(M, N, K), members first. They may need logits.transpose{order}."
    )


def not_finite(split: str, count: int) -> str:
    """Return the error on logits that are NaN or infinite."""
    verb = "logit is" if count == 1 else "logits are"
    return f"{count} {verb} not finite on {split}; leave out epochs and members that diverged."


def no_outputs(split: str, shape: tuple[int, ...]) -> str:
    """Return the error on logits without members, examples or outputs."""
    return f"logits of {split} are {shape}; there must be a member, an example and outputs."


def targets_of_numbers(split: str, shape: tuple[int, ...], outputs: int) -> str:
    """Return the error on numbers to predict that are not one for each output."""
    return f"targets of {split} are {shape}; for {outputs} outputs they must be (N, {outputs})."


def column_of_targets(split: str, shape: tuple[int, ...]) -> str:
    """Return the error on classes in a column."""
    return f"targets of {split} are {shape}; pass classes (N,): targets[:, 0]."


def one_hot_targets(split: str) -> str:
    """Return the error on targets that are one-hot rows."""
    return f"targets of {split} are one-hot rows (N, K); pass classes (N,): targets.argmax(1)."


def fractional_targets(split: str) -> str:
    """Return the error on targets that are no whole numbers, for classes."""
    return (
        f"targets of {split} are not whole numbers; classes are 0 to K−1. For numbers to predict, "
        'pass family="gaussian" or "poisson".'
    )


def target_range(split: str, low: float, high: float, outputs: int) -> str:
    """Return the error on targets out of range.

    Args:
        split: The split.
        low: Smallest target.
        high: Largest target.
        outputs: K.
    """
    advice = " Pass targets - 1." if low == 1 and high == outputs else ""
    return (
        f"targets of {split} are {low:g} to {high:g}, and logits have {outputs} outputs; classes "
        f"must be 0 to {outputs - 1}.{advice}"
    )


def epochs_of_logits(epochs: object, stored: int) -> str:
    """Return the error on a number of epochs that contradicts the logits."""
    return (
        f"epochs is {epochs!r} and logits are of {stored} epoch{'' if stored == 1 else 's'}; it "
        "must be the number of epochs of training for logits (M, N, K) of the last one, or for "
        "logits (E, M, N, K) the E epochs after which they were saved, in increasing order."
    )


def too_many_epochs(epochs: int, most: int) -> str:
    """Return the error on a number of epochs that cannot be recorded."""
    return f"epochs is {epochs}; at most {most} can be recorded. Leave it out if it is not known."


def all_zero(split: str, place: int) -> str:
    """Return the error on logits of an epoch that are all 0, in an array (E, M, N, K)."""
    return (
        f"logits of {split} are all 0 at index {place} of the epochs, as in an array that was not "
        "filled; leave that epoch out."
    )


def metrics_of_other_split(split: str) -> str:
    """Return the error on metrics of a split without logits."""
    return (
        f"metrics are given for {split!r}; they can be those of 'train' and of splits with logits."
    )


def metrics_shape(split: str, shape: tuple[int, ...], expected: tuple[int, int]) -> str:
    """Return the error on metrics of another shape than (epochs, 3 + 3M)."""
    return (
        f"metrics of {split} are {shape}; for these logits and epochs they must be {expected}: "
        "numbers (epochs, 3 + 3M)."
    )


def metrics_order(split: str, epoch: int) -> str:
    """Return the error on metrics whose second column is not the mean of the members' losses."""
    return (
        f"metrics of {split}: in epoch {epoch}, the second column is not the mean of the members' "
        "losses; columns must be ensemble loss, mean member loss, ensemble error, M losses, M "
        "errors, M entropies."
    )


def metrics_no_fractions(split: str) -> str:
    """Return the error on errors that are no fractions."""
    return f"metrics of {split} have errors outside 0 to 1; pass fractions, not percentages."


def probabilities_given(split: str) -> str:
    """Return the warning on outputs that are probabilities already."""
    return (
        f"The outputs on {split} are between 0 and 1 and sum to 1: they are read as class "
        "probabilities, and their logarithms are taken as logits."
    )


def no_better_than_chance(split: str, error: float, chance: float) -> str:
    """Return the warning on an ensemble that is no better than a constant prediction.

    Args:
        split: The split.
        error: Error of the ensemble, a fraction.
        chance: Error of the best constant prediction, a fraction.
    """
    return (
        f"The error of the ensemble on {split} is {100 * error:.1f} %, not below chance level, "
        f"{100 * chance:.1f} %: targets may be in another order than the logits."
    )


def no_known_array(available: Sequence[str]) -> str:
    """Return the error on an .npz file none of whose arrays has a known name.

    Args:
        available: Names of its arrays.
    """
    stored = ", ".join(available[:5]) + (", …" if len(available) > 5 else "")
    return (
        f"its arrays are {stored or 'none'}; logits must be named test, val or train, and targets "
        "test_targets, val_targets or train_targets."
    )


def given_twice(kind: str, split: str) -> str:
    """Return the error on two arrays of targets or metrics for one split."""
    return f"there are two arrays of {kind} for {split}; keep one."


def no_npy(path: str) -> str:
    """Return the error on a file that is no array."""
    return f"{path} is not a complete file of NumPy; write it with np.save."


def objects_in_npy(path: str) -> str:
    """Return the error on an array of Python objects, which would have to be executed."""
    return (
        f"{path} contains Python objects, which are not read; convert the array, for example with "
        "array.astype(float), and write it with np.save."
    )


def not_a_file(path: str) -> str:
    """Return the error on a folder or a special file."""
    return f"{path} is not a regular file; it must be a file of NumPy."


def not_one_of_each(split: str, shapes: Sequence[tuple[int, ...]]) -> str:
    """Return the error on several files of logits that are not those of one member each."""
    text = stats.listed([str(shape) for shape in shapes])
    return (
        f"several files have logits of {split}, with the shapes {text}; they must be (N, K), the "
        "same in every file, one file for each member."
    )


# --- weights that were saved elsewhere -----------------------------------------------------------


def no_file(path: str) -> str:
    """Return the error on a file that does not exist."""
    return f"{path}: there is no such file."


def no_safetensors() -> str:
    """Return the error on a file of safetensors without the package."""
    return (
        "the package safetensors is not installed, and this file needs it: pip install safetensors."
    )


def unsafe_file(path: str, kind: str) -> str:
    """Return the error on a file that contains more than tensors.

    Args:
        path: The file.
        kind: Class of an object in it; empty if unknown.
    """
    what = f"an object of {kind}" if kind else "objects"
    return (
        f"{path} contains {what} besides tensors, and loading it could execute code; save the "
        "weights alone: torch.save(module.state_dict(), path)."
    )


def damaged_file(path: str, reason: str) -> str:
    """Return the error on a file that cannot be read."""
    return f"{path} cannot be read ({reason}); it must be written by torch.save or safetensors."


def no_state_dict(where: str) -> str:
    """Return the error on a file or object without a state_dict."""
    return (
        f"{where} contains no state_dict, a dictionary of tensors by name; save "
        "module.state_dict()."
    )


def other_tensors(
    where: str,
    name: str,
    shape: tuple[int, ...] | None,
    expected: tuple[int, ...],
    stored: Sequence[str],
) -> str:
    """Return the error on a state_dict of another module than that of the factory.

    Args:
        where: Where it is from.
        name: The first tensor that differs.
        shape: Its shape; None if it is missing.
        expected: Shape in the factory's module.
        stored: Names of all tensors that there are.
    """
    if shape is not None:
        return f"{where}: {name} is {shape}, but {expected} in the module of the factory."
    some = ", ".join(stored[:3]) + (", …" if len(stored) > 3 else "")
    return (
        f"{where} has no tensor {name} {expected}, which the module of the factory has; it has "
        f"{len(stored)}: {some}."
    )


def unclear_members(where: str, prefixes: Sequence[str]) -> str:
    """Return the error on a state_dict with several modules that may be the member."""
    return (
        f"{where} contains several modules like that of the factory: {', '.join(prefixes)}; keep "
        "the tensors of the members only."
    )


def no_module(kind: str) -> str:
    """Return the error on a factory that returns no module with weights."""
    return f"the factory returns a {kind}; it must return a torch.nn.Module with parameters."


def factory_fails(reason: str) -> str:
    """Return the error on a factory that raises an exception."""
    return f"the factory fails: {reason}"


def module_fails(shape: tuple[int, ...], reason: str) -> str:
    """Return the error on a module that cannot evaluate the inputs."""
    return f"the module of the factory fails on inputs {shape}: {reason}"


def module_output(kind: str, shape: tuple[int, ...] | None) -> str:
    """Return the error on a module that does not return (N, K).

    Args:
        kind: Type of what it returns.
        shape: Its shape; None if it is no tensor.
    """
    actual = f"a {kind}" if shape is None else str(shape)
    return f"the module of the factory returns {actual}; it must return outputs (N, K)."
