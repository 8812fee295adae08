"""From a recipe to its modules and its credit."""

from collections.abc import Sequence
from dataclasses import dataclass

from jtdiag import names
from jtdiag.engine.datasets.splits import DataSet
from jtdiag.engine.forward import Forward
from jtdiag.engine.modules.contract import Credit, Setting
from jtdiag.engine.modules.cuts import modules_of, with_parameters
from jtdiag.engine.optimisers.contract import Optimiser
from jtdiag.engine.optimisers.grouped import Grouped, ParameterGroup
from jtdiag.errors import RecipeError
from jtdiag.recipe.recipe import Recipe

SAMPLE = 2
"""Examples with which it is tried which parameters a module has."""


@dataclass(frozen=True, kw_only=True)
class ModularNetwork:
    """The modules of the members, and how they are told what to change."""

    setting: Setting
    credit: Credit

    @classmethod
    def of(cls, recipe: Recipe, data: DataSet, forward: Forward) -> "ModularNetwork | None":
        """Build the modules and the credit of a recipe; None if it trains members as a whole.

        Raises:
            RecipeError: if members cannot be cut as the recipe asks, or the credit does not fit.
        """
        if not recipe.modules.active:
            return None
        modules = modules_of(forward.stack, recipe.members, recipe.modules)
        x = data.part(names.TRAIN).x[:SAMPLE]
        modules, shapes = with_parameters(forward.stack, modules, x)
        _check_rates(recipe.modules.rates, len(modules))
        setting = Setting(
            recipe=recipe, modules=modules, features=shapes, data=data, forward=forward
        )
        return cls(setting=setting, credit=recipe.modules.record.build(setting))

    @property
    def has_local_heads(self) -> bool:
        """Whether the error of every module is measured."""
        return any(".classifier" in name for name in self.credit.auxiliaries)

    def grouped(self, optimiser: Optimiser) -> Grouped:
        """Return the optimizer for the modules and what is learned beside them, in groups.

        Modules that are clipped separately, or trained one after the other, are groups of their
        own. Groups of the same rate are otherwise one, which takes less time.
        """
        modules, recipe = self.setting.modules, self.setting.recipe.modules
        groups = [
            ParameterGroup(
                name=f"{module.name}/",
                parameters=module.parameters,
                rate=recipe.rates[i] if recipe.rates else 1.0,
            )
            for i, module in enumerate(modules)
        ]
        if self.credit.together:
            every = tuple(self.setting.forward.stack.parameters)
            groups = [ParameterGroup(name="", parameters=every)]
        auxiliary = {
            module.prefix: tuple(n for n in self.credit.auxiliaries if n.startswith(module.prefix))
            for module in modules
        }
        groups += [
            ParameterGroup(name=f"{prefix}/", parameters=own, rate=recipe.auxiliary_rate)
            for prefix, own in auxiliary.items()
            if own
        ]
        groups = [group for group in groups if group.parameters]
        if not self.setting.recipe.train.clip and not recipe.record.one_by_one:
            groups = _by_rate(groups)
        return Grouped(optimiser, groups)


def _by_rate(groups: Sequence[ParameterGroup]) -> list[ParameterGroup]:
    """Join the groups of each rate into one, with the name of the first."""
    rates = list(dict.fromkeys(group.rate for group in groups))
    same = [[group for group in groups if group.rate == rate] for rate in rates]
    return [
        ParameterGroup(
            name=joined[0].name,
            parameters=tuple(name for group in joined for name in group.parameters),
            rate=joined[0].rate,
        )
        for joined in same
    ]


def _check_rates(rates: tuple[float, ...], modules: int) -> None:
    if rates and len(rates) != modules:
        raise RecipeError(
            f"modules.rates lists {len(rates)} rates for {modules} modules; list one for each, the "
            "head's last."
        )
