"""What is printed about data that were converted, modules of users, and interrupted training.

It imports little: an interrupted command that is still importing prints its line at once.
"""

from collections.abc import Sequence

from jtdiag.errors import shortened


def converted(count: int, kind: str) -> str:
    """Return how many images were converted.

    Args:
        count: Number of images.
        kind: What was converted: "palette", "16 bits", "colors of 16 bits", "transparency",
            "orientation", "frames", or a mode.
    """
    images = "1 image" if count == 1 else f"{count} images"
    actions = {
        "16 bits": "with 16 bits divided by 65,535",
        "colors of 16 bits": "with colors of 16 bits, of which 8 are kept",
        "transparency": "with transparency put on white",
        "frames": "with several frames, of which the first is read",
        "orientation": "turned upright by the orientation in the file",
    }
    action = actions.get(kind, f"converted to RGB ({kind})")
    return f"{images} {action}"


def left_out(count: int, example: str) -> str:
    """Return how many files and folders were not read.

    Args:
        count: Their number.
        example: Path of one of them.
    """
    noun = "1 file or folder" if count == 1 else f"{count} files or folders"
    return f"{noun} left out, such as {example}"


def other_arrays(names: Sequence[str]) -> str:
    """Return that a file contains arrays that are not read.

    Args:
        names: Their names.
    """
    shown = shortened(", ".join(names), 80)
    return f"{'1 array' if len(names) == 1 else f'{len(names)} arrays'} not used: {shown}"


def without_examples(limit: int, classes: Sequence[str]) -> str:
    """Return that classes have training examples, but none among the first ones.

    Args:
        limit: Number of training examples that are used.
        classes: Names of the classes.
    """
    noun = "1 class has" if len(classes) == 1 else f"{len(classes)} classes have"
    shown = shortened(", ".join(classes), 80)
    return f"{noun} no examples among the first {limit} training examples ({shown})"


def different_units(count: int, total: int, far: float, ratio: float, *, images: bool) -> str:
    """Return that the two parts may be in different units.

    Args:
        count: Number of features or channels that differ.
        total: Number of those that are not constant.
        far: Distance of the means that counts, in standard deviations.
        ratio: Ratio of the standard deviations that counts.
        images: Whether they are channels.
    """
    noun = "channels" if images else "features"
    return (
        f"in {count} of {total} {noun}, x_test has a mean more than {far:g} standard deviations "
        f"from that of x_train, or a spread more than {ratio:g} times larger or smaller; check "
        "that both parts are scaled alike"
    )


# --- why a module cannot be trained ---------------------------------------------------------------


def other_buffer(name: str, before: tuple[int, ...], after: tuple[int, ...]) -> str:
    """Return the error on a buffer whose shape changes in a forward pass.

    Args:
        name: Name of the buffer.
        before: Its shape when the module was created.
        after: Its shape after a forward pass.
    """
    return f"its buffer '{name}' changes from shape {before} to {after}; a buffer keeps its shape"


def unequal_members(name: str, first: str, other: str) -> str:
    """Return the error on modules of one factory that differ in more than their values.

    Args:
        name: Name of the parameter or buffer that differs.
        first: Its kind, or "missing", in the first module.
        other: The same in another module.
    """
    return (
        f"the modules that it creates differ: '{name}' is {first} in one and {other} in another; "
        "all members must have the same parameters and buffers."
    )


def changed_since(name: str, shape: tuple[int, ...] | None, stored: tuple[int, ...] | None) -> str:
    """Return the error on modules that are not those with which a run was trained.

    Args:
        name: Name of the tensor that differs.
        shape: Its shape (M, …) now; None if it is missing.
        stored: Its shape in the run; None if it is missing.
    """
    return (
        f"its modules differ from those of the run: '{name}' {_has_shape(shape)} now and "
        f"{_has_shape(stored)} in the run. Restore the function with which the run was trained."
    )


def _has_shape(shape: tuple[int, ...] | None) -> str:
    return "is missing" if shape is None else f"has shape {shape}"


def wrapped(kind: str, remedy: str) -> str:
    """Return the error on a module in a form whose parameters cannot be replaced.

    Args:
        kind: Its class.
        remedy: What to return instead.
    """
    return f"it returned a {kind}, of which members cannot be made; return {remedy}."


def unusable_name(name: str, taken: Sequence[str]) -> str:
    """Return the error on a parameter whose name cannot be the name of an array in a store.

    Args:
        name: Its name.
        taken: Names of other arrays.
    """
    return (
        f"its parameter or buffer {name!r} cannot be stored under this name; use letters, digits "
        f"and underscores, and none of {', '.join(taken)}."
    )


def sparse_gradient(name: str) -> str:
    """Return the error on a parameter with a sparse gradient."""
    return f"the gradient of '{name}' is sparse; set sparse=False in the layer"


def not_numbers(dtype: str, layout: str) -> str:
    """Return the error on an output that is no dense tensor of real numbers."""
    return (
        f"its output is a tensor of {dtype} ({layout}); it must be a dense tensor in floating point"
    )


def outside_state(mode: str, what: str) -> str:
    """Return the error on a module that depends on more than its parameters and buffers.

    Args:
        mode: "in training mode" or "in evaluation mode".
        what: What differs between two modules with the same parameters and buffers.
    """
    return (
        f"two of its modules with the same parameters and buffers differ {mode} in {what}. "
        "Something else takes part: a tensor that is not registered (use register_buffer), a "
        "counter in Python, a layer chosen at random, or random numbers that are not torch's."
    )


def other_gradients() -> str:
    """Return the error on gradients that differ although the logits do not."""
    return (
        "its gradients are not those of its parameters, as with torch.utils.checkpoint, which "
        "cannot be used here. Remove it; engine.micro_members saves memory in the same way."
    )


# --- what is unusual about modules that train ----------------------------------------------------


def identical(count: int) -> str:
    """Return the remark on members that begin with the same weights.

    Args:
        count: Number of members.
    """
    return (
        f"all {count} begin with the same weights and stay identical unless training is random for "
        "each (dropout, bagging); if members.factory sets a seed, remove it: train seeds torch "
        "before the members are created"
    )


def probabilities() -> str:
    """Return the remark on outputs that look like probabilities."""
    return (
        "outputs are not negative and sum to 1, like probabilities, but are taken for logits; "
        "remove the softmax from the module"
    )


def random_in_evaluation() -> str:
    """Return the remark on outputs that change from call to call in evaluation mode."""
    return (
        "outputs in evaluation mode are random, so probes that compute them again do not reproduce "
        "stored ones; draw random numbers in training mode only"
    )


def depends_on_batch() -> str:
    """Return the remark on outputs in evaluation mode that depend on other examples."""
    return (
        "outputs in evaluation mode depend on the other examples of a batch, so they change with "
        "its size; use running statistics in evaluation mode"
    )


def stopping(grace: float) -> str:
    """Return that a signal will end training, and when.

    Args:
        grace: Seconds that the running epoch may still take.
    """
    return (
        f"Stopping: the running epoch is finished if that takes at most {grace:g} s. "
        "Press Ctrl-C again to stop at once."
    )


def interrupted(command: str, *, started: bool = True) -> str:
    """Return that a signal interrupted training, and the command that resumes it."""
    if not started:
        return "Interrupted before anything was written. The same command starts again."
    return f"Interrupted. All completed epochs are saved; resume with: {command}"


def modules(modules: Sequence[tuple[str, int, int]], credit: str, auxiliary: int) -> str:
    """Return the modules of a member, as one line.

    Args:
        modules: Name, number of parameters and number of epochs of each; 0 epochs if all modules
            are trained in all of them.
        credit: How they are told what to change.
        auxiliary: Number of parameters that are learned beside a member.
    """
    parts = [
        f"{name} ({count:,} parameters" + (f", {_epochs(epochs)})" if epochs else ")")
        for name, count, epochs in modules
    ]
    beside = f"; {auxiliary:,} parameters are learned beside each member" if auxiliary else ""
    return f"{len(modules)} modules, credit {credit}: {', '.join(parts)}{beside}"


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"


def narrow_proxy(module: str, width: int, classes: int, alignment: float) -> str:
    """Return the remark on a module whose features cannot have the ideal kernel.

    Args:
        module: Its name.
        width: Number of its features, fewer than classes.
        classes: Number of classes.
        alignment: Largest alignment with the ideal kernel.
    """
    features = "1 feature" if width == 1 else f"{width} features"
    return (
        f"{module} has {features} for {classes} classes, which cannot all be orthogonal: the "
        f"alignment with the ideal kernel is at most {alignment:.2f} for classes of equal size"
    )


def parts_differ(factory: str) -> str:
    """Return the error on a module whose parts are not its forward pass.

    Args:
        factory: Value of members.factory; empty for a function in Python.
    """
    subject = f"members.factory is '{factory}', whose module has" if factory else "The module has"
    return (
        f"{subject} parts that are not its forward pass when they are computed one after the "
        "other, so it cannot be cut into modules; correct `parts`, or omit [modules]."
    )


def members_at_a_time(micro_members: int, members: int) -> str:
    """Return why local heads of all members cannot be coupled.

    Args:
        micro_members: Members whose activations are kept at the same time.
        members: Number of members.
    """
    return (
        f"modules.lam is 'every', which needs all {members} members at a time, but only "
        f"{micro_members} fit in memory; use modules.lam = 'head', smaller batches, or set "
        f"engine.micro_members = {members}."
    )
