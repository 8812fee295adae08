"""Messages of the adapters."""


def no_such_item(*, argument: str, where: str, contents: str) -> str:
    """Return the error on an item that a library's data do not contain.

    Args:
        argument: Name of the adapter's argument.
        where: Its value.
        contents: What the data are, or their keys.
    """
    return (
        f"{argument} is {where}, which is not in {contents}; pass one of its keys or positions, or "
        "a function."
    )


def nothing_returned(*, source: str, batches: int, returned: str) -> str:
    """Return the error on an epoch in which a step returned nothing.

    Args:
        source: What returned nothing, such as "training_step".
        batches: Batches of the epoch.
        returned: What it should return.
    """
    batches_text = "the only batch" if batches == 1 else f"all {batches} batches"
    return f"{source} returned nothing in {batches_text} of the epoch; it must return {returned}."


def no_pair(actual: str) -> str:
    """Return the error on an output of Ignite's process function that is no pair.

    Args:
        actual: Name of its type.
    """
    return (
        f"the process function returned a {actual}; it must return logits (M, N, K) and targets, "
        "or pass output_transform=… to select them."
    )
