"""All sentences about recipes that jtdiag prints or writes, except error messages."""

from collections.abc import Iterable, Sequence

from jtdiag.errors import shortened
from jtdiag.names import lam_text
from jtdiag.recipe.modules import Modules


def learning_rates(lam: Sequence[float], rates: Sequence[float], rule: str) -> str:
    """Return the learning rate at each λ; an empty string for one rate that the user set.

    Args:
        lam: λs of a recipe.
        rates: Initial learning rate at each λ.
        rule: Where they come from, as in train.lr_rule.
    """
    lams_of: dict[float, list[str]] = {}
    for value, rate in zip(lam, rates, strict=True):
        lams_of.setdefault(rate, []).append(lam_text(value))
    if rule == "given" and len(lams_of) == 1:
        return ""
    text = "; ".join(f"{rate:g} at λ = {', '.join(lams)}" for rate, lams in lams_of.items())
    return text if rule == "given" else f"{text} (rule '{rule}')"


def members(count: int) -> str:
    """Return a number of members, such as "16 members"."""
    return f"{count} members" if count != 1 else "1 member"


def label(fields: Iterable[tuple[str, object]]) -> str:
    """Return the label of a run: the fields in which it differs, such as "4 members, hidden 64".

    Args:
        fields: Full names, such as "members.count", and values.
    """
    return ", ".join(_field(name, value) for name, value in fields)


def credit(modules: Modules) -> str:
    """Return how modules learn what to change, such as "local, predsim, μ = 0.5"."""
    parts = [credit_rule(modules), _mu(modules)]
    parts.append(f"reach {modules.reach}" if modules.reach else "")
    parts.append("" if modules.cuts == "layers" else f"cuts {_short(modules.cuts)}")
    return ", ".join(filter(None, parts))


def credit_rule(modules: Modules) -> str:
    """Return the same without how far modules see and where members are cut: "local, predsim"."""
    parts = [modules.credit, modules.loss]
    parts.append("λ in every head" if modules.lam == "every" else "")
    parts.append("" if modules.label else "without the label")
    return ", ".join(filter(None, parts))


def _mu(modules: Modules) -> str:
    if modules.mu_schedule != "constant":
        return f"μ = {modules.mu_start:g} to {modules.mu:g}"
    return f"μ = {modules.mu:g}" if modules.mu else ""


def _field(name: str, value: object) -> str:
    if name == "members.count" and isinstance(value, int):
        return members(value)
    if name == "members.arch":
        return str(value)
    if name == "lam" and isinstance(value, tuple):
        return f"lam {'/'.join(map(lam_text, value))}"
    return f"{name.rpartition('.')[2].replace('_', ' ')} {_short(value)}"


def _short(value: object) -> str:
    if isinstance(value, dict):
        return "/".join(f"{key} {_short(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        groups = any(isinstance(item, list | tuple) for item in value)
        items = ("+".join(map(_short, item)) if groups else _short(item) for item in value)
        return "/".join(items) or "none"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


LAM_COMMENT = "weight of the ensemble loss: from independent to end-to-end training"
TRIALS_COMMENT = "repetitions with other initial weights; more trials make intervals narrower"
FAMILY_COMMENT = "targets are numbers"
VAL_COMMENT = "training examples held out, to choose the best epoch"
ARCH_COMMENT = (
    'or conv, densenet; for a module of your own "module", with factory = "file.py:function"'
)
HIDDEN_COMMENT = "units of each hidden layer"
KEEP_COMMENT = "epochs whose outputs are kept for the probes"


def starting_title(members: int, data: str) -> str:
    """Return the first line of a recipe that `jtdiag init` writes."""
    return (
        f"Ensembles of {members} members on {data}; see `jtdiag train FILE --dry-run` for the cost."
    )


def data_comment(examples: int, shape: tuple[int, ...], *, numbers: bool) -> str:
    """Return what is known of a data set.

    Args:
        examples: Number of training examples.
        shape: Shape of one example.
        numbers: Whether targets are numbers.
    """
    kind = "numbers" if numbers else "classes"
    return f"{examples:,} training examples of shape {shape}; targets are {kind}"


def rate_comment(rate: float) -> str:
    """Return how the learning rate of the joint loss follows from that of a member."""
    return f"of the joint loss: {rate:g} for each member; tune it first"


def budget_title(
    *, count: int, arch: str, size: str, data: str, parameters: int, budget: int
) -> str:
    """Return the first line of a recipe that `jtdiag budget` writes.

    Args:
        count: Number of members.
        arch: Their architecture.
        size: Their size, such as "64 hidden units".
        data: Name of the dataset.
        parameters: Parameters of all members.
        budget: Budget of parameters.
    """
    noun = f"{arch} member{'' if count == 1 else 's'}"
    return (
        f"{count} {noun} of {size} on {data}: {parameters:,} parameters, for a budget of "
        f"{budget:,}."
    )


ONE_MEMBER = "with one member, the loss is the same for every lambda"
"""Comment on the λ of a recipe with a single member."""


# --- labels --------------------------------------------------------------------------------------


def one_hot() -> str:
    """Return that one-hot rows were read as class indices."""
    return "labels are one-hot rows, read as class indices"


def words(names: Sequence[str], *, ordered: bool = False) -> str:
    """Return that words were read as class names.

    Args:
        names: The class names, in the order of their indices.
        ordered: Whether the file gives that order.
    """
    order = "the order of classes" if ordered else "sorted order"
    return f"labels are names, read as {len(names)} classes in {order} ({_first(names)})"


def truth_values() -> str:
    """Return that booleans were read as two classes."""
    return "labels are booleans, read as False = 0 and True = 1"


def whole_floats() -> str:
    """Return that floating-point labels were read as integers."""
    return "labels are whole numbers in floating point, read as integers"


def from_one(count: int) -> str:
    """Return that labels 1..K were read as 0..K-1.

    Args:
        count: Number of classes, K.
    """
    return f"labels are 1..{count}, read as 0..{count - 1}; classes keep their numbers as names"


def unseen_classes(names: Sequence[str]) -> str:
    """Return that classes occur in the test part only.

    Args:
        names: Their names.
    """
    if len(names) == 1:
        return f"1 class has test examples but no training examples ({_first(names)})"
    return f"{len(names)} classes have test examples but no training examples ({_first(names)})"


def _first(names: Sequence[str]) -> str:
    """Return up to three names, each of at most 30 characters."""
    shown = [shortened(name, 30) for name in names[:3]]
    return ", ".join([*shown, "…"] if len(names) > 3 else shown)
