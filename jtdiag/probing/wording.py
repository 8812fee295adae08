"""Sentences of the findings of decorated probes."""


def value_sentence(
    name: str,
    number: float,
    *,
    meaning: str,
    unit: str = "",
    lam: float | None = None,
    epoch: int | None = None,
    limit: float | None = None,
) -> str:
    """State the value of a user-defined probe.

    Args:
        name: The probe's name.
        number: Its value.
        meaning: What the value is.
        unit: Printed after the number; empty for a plain fraction.
        lam: The λ of the value; None if it does not depend on λ.
        epoch: The epoch of the value; None if it does not depend on the epoch.
        limit: The limit that the number exceeds; None if it does not exceed one.
    """
    where = "" if lam is None else f"λ = {lam:g}: "
    value = f"{number:.3g} {unit}".rstrip()
    when = "" if epoch is None else f" after epoch {epoch}"
    compared = "" if limit is None else f", above the limit of {limit:g}"
    return f"{where}{name} is {value}{when}{compared} ({meaning})."
