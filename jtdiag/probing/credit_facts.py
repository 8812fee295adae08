"""How a run trains the layers of its members, as attributes of all of its results.

Results of several runs are compared by these attributes, without their runs.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from jtdiag import names
from jtdiag.recipe import toml, wording
from jtdiag.recipe.modules import END_TO_END, Modules
from jtdiag.store.run import Run

CREDIT, LABEL, RULE = "credit", "credit_label", "credit_rule"
WHOLE, SETTING = "layers_end_to_end", "setting"
MU, REACH, MODULES = "mu", "reach", "modules"
DEGREES = (MU, REACH, MODULES)
OUTDATED = (
    "The results of performance were computed by an older version of jtdiag, which did not record "
    "how layers are trained. Recompute them: jtdiag probe RUN performance"
)
"""Message about results without these attributes."""
LEFT_OUT = ("name", "lam", "trials", "modules.", "train.", "keep.", "alerts.")
"""Fields and sections of a recipe that may differ between runs with the same `SETTING`."""


def of_run(run: Run) -> dict[str, str | int | float]:
    """Return the attributes; those that do not apply to the run are left out.

    credit: As in [modules].
    credit_label: How modules learn what to change, such as "local, predsim, μ = 0.5".
    credit_rule: The credit without μ, reach and cuts, such as "local, predsim".
    layers_end_to_end: 1 if the layers of every member are trained end to end, and else 0.
    mu: μ if it is constant; 1 if layers are trained end to end.
    reach: The number of modules whose losses a module may follow; 1 is local.
    modules: The number of modules of a member.
    setting: Digits that are equal for runs whose trials are pairs: their seed, data and members are
        the same, and only how layers and members are trained may differ.
    """
    modules, count = run.recipe.modules, len(run.modules)
    mu, reach = _mu(modules), _reach(modules)
    whole = mu == 1 or (reach is not None and reach == count)
    facts = {MU: 1.0 if whole else mu, REACH: reach, MODULES: count or None}
    return {
        CREDIT: modules.credit,
        LABEL: wording.credit(modules),
        RULE: wording.credit_rule(modules),
        WHOLE: int(whole),
        SETTING: _setting(run),
        **{name: value for name, value in facts.items() if value is not None},
    }


def not_end_to_end(attrs: Mapping[Any, Any]) -> str:
    """Return the credit of a result with these attributes; empty if layers are end to end.

    Results of older versions have no such attributes, and layers that are trained end to end.
    """
    return "" if attrs.get(WHOLE, 1) else str(attrs[LABEL])


def _mu(modules: Modules) -> float | None:
    """Return μ; None if it changes, or the credit has none."""
    if modules.credit == END_TO_END:
        return 1.0
    constant = modules.mu_schedule == "constant" and not modules.reach and not modules.warmup
    return modules.mu if "mu" in modules.record.fields and constant else None


def _reach(modules: Modules) -> int | None:
    """Return the reach; None if another field says how far a module sees."""
    local = _mu(modules) == 0 and "reach" in modules.record.fields
    return modules.reach or (1 if local else None)


def _setting(run: Run) -> str:
    """Return 16 hexadecimal digits of the fields that runs with paired trials have in common."""
    recipe = run.recipe
    values = {
        name: toml.plain(toml.lookup(recipe, name))
        for name in toml.fields()
        if not name.startswith(LEFT_OUT)
    }
    text = f"{sorted(values.items())} {run.settings.get(names.FINGERPRINT, '')}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
