import math

import attrs
import numpy as np
import pytest

from jtdiag.errors import RecipeError
from jtdiag.recipe import toml
from jtdiag.recipe.alerts import Alerts
from jtdiag.recipe.objective import Objective
from jtdiag.recipe.recipe import Data, Engine, Keep, Members, Modules, Recipe, Train

SECTIONS = {
    "data": Data,
    "members": Members,
    "objective": Objective,
    "modules": Modules,
    "alerts": Alerts,
    "train": Train,
    "keep": Keep,
    "engine": Engine,
}
NEEDED = {"data": {"name": "digits", "val": 10}, "members": {"arch": "mlp", "count": 3}}


def recipe(**changes):
    """A good recipe, changed by keyword: train_lr=… changes a section's field, lam=… its own."""
    sections = {name: dict(NEEDED.get(name, {})) for name in SECTIONS}
    own = {}
    for key, value in changes.items():
        section, _, field = key.partition("_")
        (sections[section] if section in SECTIONS else own)[field or key] = value
    return Recipe(**{name: SECTIONS[name](**values) for name, values in sections.items()}, **own)


REFUSED = [
    ("modules_cuts", [2, 1], "different layers in ascending order"),
    ("modules_cuts", "blocks", "one of layers, head"),
    ("modules_credit", "backprop", "one of end-to-end, local"),
    ("modules_watch", "yes", "true or false"),
    ("modules_loss", "pred", "whose modules have no losses to choose from"),
    ("modules_mu", 1.5, r"number in \[0, 1\]"),
    ("modules_mu", 0.5, "is set, but modules.credit is 'end-to-end', which uses watch"),
    ("modules_mu_schedule", "sine", "constant, linear, cosine, step"),
    ("modules_mu_start", -1, r"number in \[0, 1\]"),
    ("modules_mu_epochs", -1, "0 or more"),
    ("modules_reach", -1, "0 or more"),
    ("modules_lam", "all", "head, every"),
    ("modules_head_layers", 3, "2 or less"),
    ("modules_pool", -1, "0 or more"),
    ("modules_epochs", [0, 1], "1 or more"),
    ("modules_pairs", 0, "greater than 0"),
    ("modules_pairs", 1.5, r"number in \[0, 1\]"),
    ("modules_beta", 2, r"number in \[0, 1\]"),
    ("modules_reconstruction", [1], "two weights, of the first and of the last"),
    ("modules_prediction", [1, 2, 3], "two weights"),
    ("modules_temperature", -1, "0 or more"),
    ("modules_label", "no", "true or false"),
    ("modules_warmup", -1, "0 or more"),
    ("modules_step", 0, "greater than 0"),
    ("modules_first", "input", "hidden, output"),
    ("modules_inverse", "exact", "learned, fixed"),
    ("modules_noise", -1, "0 or more"),
    ("modules_rho", 0, "greater than 0"),
    ("modules_sweeps", 0, "1 or more"),
    ("modules_code_step", 0, "greater than 0"),
    ("modules_rates", [1, 0], "greater than 0"),
    ("modules_auxiliary_rate", 0, "greater than 0"),
    ("data_layout", "NHWC", "one of auto, nchw, nhwc"),
    ("data_scale", 0, "greater than 0"),
    ("data_scale", "255", "must be a number"),
    ("data_resize", 32, r"must be \[height, width\] in pixels"),
    ("data_keys", ["a", "b"], "lists 2 of four names"),
    ("data_keys", ["a", "b", "a", "c"], "'a' more than once"),
    ("data_standardize", "no", "true or false"),
    ("data_classes", 3, "must be a list of classes or of groups"),
    ("data_limit", -1, "whole number, 0 or more"),
    ("data_limit", 10, "data.limit is 10 and data.val is 10, which leaves no training examples"),
    ("trials", 10**9, "must be 100,000 or less"),
    ("members_count", 999_999_999_999, "must be 100,000 or less"),
    ("members_hidden", [10**20], "must be 1,000,000 or less"),
    ("engine_threads", 10**8, "must be 1,024 or less"),
    ("train_epochs", 10**7, "must be 1,000,000 or less"),
    ("train_lr", 10**400, "is a whole number of about 400 digits; it must be a number"),
    ("seed", 10**400, "is a whole number of about 400 digits; it must be 18,446,"),
    ("lam", [10**400], "is a whole number of about 400 digits"),
    ("name", "n" * 201, "200 bytes at most"),
    ("keep_splits", [["test"]], "must be one of train, val, test"),
    ("data_augment", [{"a": 1}], "must be one of crop, flip"),
    ("objective_loss", ["joint"], "must be one of joint"),
    ("scheme", "boosting", "joint, bagging, stacking, single"),
    ("bootstrap", "rows", "weights, batches"),
    ("train_lr_rule", "guessed", "given, paper, matched"),
    ("name", "", "non-empty string"),
    ("name", 3, "non-empty string"),
    ("name", "a/b", "becomes a folder name"),
    ("name", ".", "becomes a folder name"),
    ("name", "..", "becomes a folder name"),
    ("lam", -0.001, r"number in \[0, 1\]"),
    ("lam", [0, 1.001], r"number in \[0, 1\]"),
    ("lam", float("nan"), r"number in \[0, 1\]"),
    ("lam", float("inf"), r"number in \[0, 1\]"),
    ("lam", "half", r"number in \[0, 1\]"),
    ("lam", True, r"number in \[0, 1\]"),
    ("lam", [], "empty list"),
    ("lam", [0.5, 0, 0.5], "more than once"),
    ("lam", [0, 0.0], "more than once"),
    ("trials", 0, "whole number, 1 or more"),
    ("trials", 2.0, "whole number, 1 or more"),
    ("trials", True, "whole number, 1 or more"),
    ("seed", -1, "whole number, 0 or more"),
    ("seed", "x", "whole number, 0 or more"),
    ("lam", 1.5, "1.5; it must be a number in .*no lower bound"),
    ("family", "gausian", r"one of categorical, .*Did you mean 'gaussian'\?"),
    ("family", "", "non-empty string"),
    ("combiner", "vote", "one of logits, probabilities"),
    ("objective_loss", "gncl", "one of joint, gncl-upper"),
    ("objective_drop", 1.0, "below 1, or no member is left"),
    ("objective_drop", -0.1, r"number in \[0, 1\]"),
    ("objective_lam_schedule", "sine", "Did you mean 'cosine'"),
    ("objective_lam_schedule", "step", "set the epoch after which"),
    ("objective_lam_start", 1.5, "no lower bound"),
    ("objective_lam_start", 0.5, "objective.lam_schedule is 'constant'; choose a schedule"),
    ("objective_lam_epochs", -1, "whole number, 0 or more"),
    ("objective_lam_epochs", 3, "objective.lam_schedule is 'constant'; choose a schedule"),
    ("data_name", "", "non-empty string"),
    ("data_root", 1.5, "non-empty string"),
    ("data_val", -1, "whole number, 0 or more"),
    ("data_val", 0.5, "whole number, 0 or more"),
    ("data_augment", "spin", "one of crop, flip"),
    ("data_augment", ["flip", "flip"], "more than once"),
    (
        "members_arch",
        "mpl",
        r"one of mlp, conv, densenet, module, resnext, branches, chain\. Did you mean 'mlp'\?",
    ),
    ("members_count", 0, "whole number, 1 or more"),
    ("members_count", "4", "whole number, 1 or more"),
    ("members_hidden", [8, 0], "whole number, 1 or more"),
    ("members_hidden", 4.0, "whole number, 1 or more"),
    ("members_filters", [8, 0], "whole number, 1 or more"),
    ("members_filters", [8], "members.arch is 'mlp', which uses hidden, norm, activation; omit"),
    ("members_strides", [1.0], "whole number, 1 or more"),
    ("members_strides", [1], "members.arch is 'mlp', which uses hidden, norm, activation; omit"),
    ("members_depth", -1, "whole number, 0 or more"),
    ("members_norm", "layer", "must be one of none, batch"),
    ("members_activation", "gelu", "must be one of relu, tanh"),
    ("members_depth", 40, "members.arch is 'mlp', which uses hidden, norm, activation; omit"),
    ("members_growth", 1.5, "whole number, 0 or more"),
    ("members_growth", 12, "members.arch is 'mlp', which uses hidden, norm, activation; omit"),
    ("members_reduction", 1.1, r"number in \[0, 1\]"),
    ("members_reduction", 0.25, "members.arch is 'mlp', which uses hidden, norm, activation; omit"),
    ("members_blocks", [2, 0], "whole number, 1 or more"),
    ("members_blocks", [2], "members.arch is 'mlp', which uses hidden, norm, activation; omit"),
    ("members_width", -4, "whole number, 0 or more"),
    ("members_start", "unequal", "it must be 'equal' or a list of one factor per member"),
    ("members_start", [1, 0], "greater than 0"),
    ("members_start", [1, -0.6], "number 0 or more"),
    ("members_start", [], "empty list"),
    ("members_start", [1, 2, 3, 4, 5, 6, 7], "list one factor per member"),
    ("members_start_spread", [0.5], "two factors, the smaller first"),
    ("members_start_spread", [2, 0.5], "two factors, the smaller first"),
    ("members_start_spread", [0, 1], "greater than 0"),
    ("members_factory", 3, "non-empty string"),
    ("members_options", 3, r"it must be a table, \[members\.options\]"),
    ("members_options", {"taps": 3}, "which uses hidden, norm, activation; omit options"),
    ("members_factory", "a:b", "members.arch is 'mlp', which uses hidden, norm, activation; omit"),
    ("train_epochs", 0, "whole number, 1 or more"),
    ("train_epochs", 3.0, "whole number, 1 or more"),
    ("train_batch", 0, "whole number, 1 or more"),
    ("train_lr", 0, "greater than 0"),
    ("train_lr", -0.1, "number 0 or more"),
    ("train_lr", float("inf"), "number 0 or more"),
    ("train_lr", "fast", "greater than 0, or one of paper, matched"),
    ("train_lr", [], "empty list"),
    ("train_momentum", -0.1, r"number in \[0, 1\]"),
    ("train_momentum", 1.1, r"number in \[0, 1\]"),
    ("train_nesterov", 1, "true or false"),
    ("train_weight_decay", -1e-4, "number 0 or more"),
    ("train_milestones", [3, 0], "whole number, 1 or more"),
    ("train_milestones", [1.5], "whole number, 1 or more"),
    ("train_lr_factor", 0, "greater than 0"),
    ("train_lr_scale", "member", r"one of none, members\. Did you mean 'members'\?"),
    ("train_optimiser", "adam", r"one of sgd, adamw, soap\. Did you mean 'adamw'\?"),
    ("train_clip", -1, "number 0 or more"),
    ("train_clip", float("inf"), "number 0 or more"),
    ("train_schedule", "linear", "one of milestones, cosine"),
    ("train_warmup", -1, "whole number, 0 or more"),
    ("train_warmup", 0.5, "whole number, 0 or more"),
    ("keep_outputs", "some", r"\(in a list\) is 'some'; it must be one of best, last"),
    ("keep_outputs", [1, "frist"], r"\(in a list\) is 'frist'"),
    ("keep_outputs", [1, -1], "whole number, 0 or more"),
    ("alerts_stop_on", "dominence", r"Did you mean 'dominance'\?"),
    ("alerts_stop_on", ["dominance", "dominance"], "more than once"),
    ("alerts_lower_lam", 1.5, "has no lower bound"),
    ("alerts_lower_lam", "low", "a number in"),
    ("alerts_lower_on", ["dominance"], "alerts.lower_lam is 1"),
    ("alerts_lower_on", "zzz", "one of dominance, codependence"),
    ("keep_outputs", 1.5, "whole number, 0 or more"),
    ("keep_outputs", [2, "last", 2], "more than once"),
    ("keep_checkpoints", [True], "whole number, 0 or more"),
    ("keep_splits", [], "empty list"),
    ("keep_splits", "tests", r"Did you mean 'test'\?"),
    ("keep_splits", ["test", "test"], "more than once"),
    ("keep_dtype", "float23", r"Did you mean 'float"),
    ("engine_device", "", "non-empty string"),
    ("engine_threads", 0, "whole number, 1 or more"),
    ("engine_threads", "many", "whole number, 1 or more"),
    ("engine_lanes", 0, "whole number, 1 or more"),
    ("engine_precision", "float16", "one of float32, float64"),
    ("engine_execution", "map", r"one of auto, stacked, vmap, loop"),
    ("engine_products", "float64", "one of auto, float32, bfloat16"),
    ("engine_layout", "NHWC", "one of auto, channels_first, channels_last"),
    ("engine_micro_members", 0, "whole number, 1 or more"),
    ("engine_micro_members", "few", "whole number, 1 or more"),
]


@pytest.mark.parametrize(("field", "value", "advice"), REFUSED)
def test_a_value_out_of_its_range_is_refused_by_name(field, value, advice):
    name = field.replace("_", ".", 1) if field.partition("_")[0] in SECTIONS else field
    with pytest.raises(RecipeError, match=advice) as caught:
        recipe(**{field: value})
    message = str(caught.value)
    assert message.startswith(f"{name} ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"alerts_lower_lam": 0.5, "lam": [0, 0.5]}, "no λ would be lowered"),
        (
            {"alerts_lower_lam": 0.5, "scheme": "bagging", "lam": 0},
            "scheme is 'bagging', which fixes λ",
        ),
        (
            {"alerts_lower_lam": 0.5, "objective_loss": "coupled-fc", "lam": 1},
            "'coupled-fc', which fixes λ",
        ),
        ({"alerts_lower_lam": 0.5, "alerts_lower_on": []}, "lower_on is empty"),
    ],
)
def test_a_lambda_to_go_on_with_must_be_one_that_lanes_can_take(changes, advice):
    with pytest.raises(RecipeError, match=advice):
        recipe(**changes)


LOCAL = {"modules_credit": "local"}


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({**LOCAL, "modules_beta": 0.5}, "beta is set, but modules.loss is 'pred'; it belongs to"),
        ({**LOCAL, "modules_loss": "sim", "modules_lam": "every"}, "to pred and predsim and"),
        ({**LOCAL, "modules_watch": True}, "watch is set, but modules.credit is 'local'"),
        ({**LOCAL, "modules_mu": 0.5, "modules_reach": 2}, "reach is 2 and modules.mu is set"),
        ({**LOCAL, "modules_mu_start": 0.5}, "modules.mu_schedule is 'constant'; choose a"),
        ({**LOCAL, "modules_mu_schedule": "step"}, "set the epoch after which μ changes"),
        ({**LOCAL, "modules_label": False}, "label is set, but modules.credit is 'local'"),
        ({**LOCAL, "modules_warmup": 1}, "warmup is set, but modules.credit is 'local'"),
        ({"modules_credit": "synthetic", "modules_pool": 2}, "is 'synthetic', which uses label,"),
        ({"modules_credit": "targets", "modules_mu": 0.5}, "'targets', which uses step, first,"),
        (
            {"modules_credit": "targets", "modules_inverse": "fixed", "modules_noise": 0.2},
            "noise is set, but modules.inverse is 'fixed'",
        ),
        ({"modules_credit": "codes", "modules_mu": 0.5}, "'codes', which uses rho, sweeps, code"),
        ({"modules_credit": "codes", "modules_step": 1}, "step is set, but modules.credit is 'co"),
        ({"modules_credit": "frozen", "modules_mu": 1}, "modules.credit is 'frozen', which uses"),
        (
            {**LOCAL, "members_arch": "branches", "members_hidden": [], "members_factory": "a:b"},
            "modules need members with layers of their own",
        ),
        (
            {**LOCAL, "scheme": "bagging", "bootstrap": "batches", "lam": 0},
            "use bootstrap = 'weights' with modules",
        ),
    ],
)
def test_fields_of_modules_that_contradict_each_other_are_refused(changes, advice):
    with pytest.raises(RecipeError, match=advice) as caught:
        recipe(**changes)
    assert "\n" not in str(caught.value)


def test_one_rule_is_a_list_of_one():
    assert recipe(alerts_stop_on="dominance").alerts.stop_on == ("dominance",)


def test_every_field_has_a_value_that_is_refused():
    tried = {field for field, _, _ in REFUSED}
    fields = {f.name for f in attrs.fields(Recipe)} - SECTIONS.keys()
    for section, kind in SECTIONS.items():
        fields |= {f"{section}_{f.name}" for f in attrs.fields(kind)}
    assert tried == fields


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        ("lam", 1, (1.0,)),
        ("lam", [0, 0.5, 1], (0.0, 0.5, 1.0)),
        ("members_hidden", 8, (8,)),
        ("members_hidden", [], ()),
        ("members_start", "equal", "equal"),
        ("members_start_spread", [1, 2], (1.0, 2.0)),
        ("data_augment", "flip", ("flip",)),
        ("data_augment", [], ()),
        ("train_clip", 1, 1.0),
        ("engine_micro_members", "auto", "auto"),
        ("train_lr", 1, (1.0,)),
        ("train_momentum", 0, 0.0),
        ("train_milestones", 3, (3,)),
        ("keep_outputs", "all", "all"),
        ("keep_outputs", "none", "none"),
        ("keep_outputs", [], "none"),
        ("keep_outputs", "best", ("best",)),
        ("keep_outputs", 0, (0,)),
        ("keep_checkpoints", [0, 3, "best", "last"], (0, 3, "best", "last")),
        ("keep_splits", "val", ("val",)),
        ("engine_threads", "auto", "auto"),
        ("engine_lanes", 4, 4),
    ],
)
def test_a_good_value_is_stored_in_one_form(field, value, stored):
    made = recipe(**{field: value})
    section, _, name = field.partition("_")
    value_stored = getattr(getattr(made, section), name) if name else getattr(made, field)
    assert value_stored == stored
    assert type(value_stored) is type(stored)
    if isinstance(stored, tuple):
        assert [type(item) for item in value_stored] == [type(item) for item in stored]


@pytest.mark.parametrize("lr", [[0.1, 0.2], [0.1, 0.2, 0.3, 0.4]])
def test_learning_rates_must_be_one_or_one_per_lambda(lr):
    with pytest.raises(RecipeError, match=f"train.lr has {len(lr)} values for 3 λs"):
        recipe(lam=[0, 0.5, 1], train_lr=lr)


@pytest.mark.parametrize("name", ["outputs", "checkpoints"])
def test_the_best_epoch_cannot_be_kept_without_validation(name):
    with pytest.raises(RecipeError, match=rf"keep\.{name} includes 'best', which is chosen"):
        recipe(data_val=0, **{f"keep_{name}": [1, "best"]})


def test_the_validation_split_cannot_be_kept_where_there_is_none():
    with pytest.raises(RecipeError, match="keep.splits includes 'val' and data.val is 0"):
        recipe(data_val=0, keep_splits=["test", "val"])


def test_nesterov_needs_momentum():
    with pytest.raises(RecipeError, match="needs train.momentum greater than 0"):
        recipe(train_nesterov=True, train_momentum=0)


def test_validation_is_a_split_only_where_examples_are_held_out():
    assert recipe(data_val=1).splits == ("train", "val", "test")
    assert recipe(data_val=0).splits == ("train", "test")


def test_each_lambda_has_its_learning_rate_or_they_share_one():
    own = recipe(lam=[0, 1], train_lr=[0.5, 0.25])
    assert [own.lr(0, 1), own.lr(1, 1)] == [0.5, 0.25]
    shared = recipe(lam=[0, 1], train_lr=0.5)
    assert [shared.lr(0, 1), shared.lr(1, 1)] == [0.5, 0.5]


def test_the_learning_rate_falls_after_each_milestone():
    made = recipe(train_lr=8.0, train_lr_factor=0.5, train_milestones=[2, 5])
    assert [made.lr(0, epoch) for epoch in range(1, 8)] == [8, 8, 4, 4, 4, 2, 2]


def test_the_learning_rate_rises_by_warmup_and_falls_to_nothing_by_cosine():
    made = recipe(train_lr=8.0, train_warmup=2, train_epochs=6, train_schedule="cosine")
    rates = [made.lr(0, epoch) for epoch in range(1, 7)]
    falling = [8 * (1 + math.cos(math.pi * i / 4)) / 2 for i in range(4)]
    assert rates == pytest.approx([4, 8, *falling], rel=1e-12)
    steps = recipe(train_lr=8.0, train_warmup=2, train_milestones=[3], train_lr_factor=0.5)
    assert [steps.lr(0, epoch) for epoch in range(1, 6)] == [4, 8, 8, 4, 4]


def test_the_learning_rate_may_be_multiplied_by_the_number_of_members():
    made = recipe(lam=[0, 1], train_lr=[0.5, 0.25], train_lr_scale="members", members_count=4)
    assert [made.lr(0, 1), made.lr(1, 1)] == [2.0, 1.0]


OWN = {
    "conv": {"filters": (8, 9), "strides": (1, 2)},
    "densenet": {"depth": 10, "growth": 4},
    "resnext": {"blocks": (1, 1, 1, 1), "width": 4},
}


@pytest.mark.parametrize(("arch", "field"), [(a, f) for a, own in OWN.items() for f in own])
def test_an_architecture_needs_its_own_fields(arch, field):
    fields = {key: value for key, value in OWN[arch].items() if key != field}
    with pytest.raises(
        RecipeError, match=rf"^members\.{field} is missing; .* '{arch}' requires it"
    ):
        Members(arch=arch, count=2, **fields)


@pytest.mark.parametrize("arch", ["module", "branches"])
def test_a_factory_may_come_later(arch):
    assert Members(arch=arch, count=2).factory == ""


def test_branches_share_one_copy_of_the_weights():
    members = Members(arch="resnext", count=8, **OWN["resnext"])
    assert (members.branched, members.copies) == (True, 1)
    plain = Members(arch="conv", count=8, **OWN["conv"])
    assert (plain.branched, plain.copies) == (False, 8)


def test_starting_factors_are_listed_or_drawn_but_not_both():
    with pytest.raises(RecipeError, match=r"members\.start lists factors; omit one of them"):
        Members(arch="mlp", count=2, start=(1, 2), start_spread=(0.5, 2))
    assert Members(arch="mlp", count=2).starts_equal
    assert not Members(arch="mlp", count=2, start=(1, 2)).starts_equal
    assert not Members(arch="mlp", count=2, start_spread=(0.5, 2)).starts_equal


@pytest.mark.parametrize("field", ["start", "start_spread"])
def test_branches_have_no_starting_factors(field):
    with pytest.raises(RecipeError, match=rf"members\.{field} is set, .* share weights"):
        Members(arch="branches", count=2, **{field: (1, 2)})


def test_a_resnext_has_four_stages():
    with pytest.raises(
        RecipeError, match=r"members\.blocks has 3 values; a resnext has four stages"
    ):
        Members(arch="resnext", count=2, blocks=(1, 2, 1), width=4)


def test_each_layer_has_one_stride():
    with pytest.raises(RecipeError, match=r"filters has 2 values and members\.strides 1; give one"):
        Members(arch="conv", count=2, filters=(8, 9), strides=(1,))


def test_a_recipe_cannot_be_changed():
    made = recipe()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.trials = 2
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.train.lr = (1.0,)


LONG = ("\x1b[31mred\x1b[0m", "a\nb", "\u202e", "x" * 20_000, [[1] * 9_999], 10**5000, [10**5000])


@pytest.mark.parametrize("value", range(len(LONG)))
@pytest.mark.parametrize(
    "field",
    ["lam", "trials", "data_val", "members_arch", "members_hidden", "train_lr", "keep_splits"],
)
def test_a_refusal_is_one_short_printable_line(field, value):
    with pytest.raises(RecipeError) as caught:
        recipe(**{field: LONG[value]})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_numbers_and_arrays_of_numpy_are_those_of_python():
    plain = recipe(lam=[0.0, 0.5], trials=2, members_hidden=[3, 4], data_val=1)
    numpy = recipe(
        lam=np.array([0, 0.5]),
        trials=np.int64(2),
        members_hidden=[np.int32(3), np.uint8(4)],
        data_val=np.int16(1),
        train_nesterov=np.bool_(False),
    )
    assert numpy == plain
    assert toml.to_toml(numpy) == toml.to_toml(plain)
    assert toml.digest(numpy) == toml.digest(plain)
    assert type(numpy.trials) is int
    with pytest.raises(RecipeError, match=r"trials is 2\.0; it must be a whole number"):
        recipe(trials=np.float64(2))


def test_rates_and_factors_stay_within_float32():
    for field in ("weight_decay", "clip", "lr", "lr_factor"):
        with pytest.raises(RecipeError, match=rf"train.{field} is 1e\+31; .*and 1e\+30 or less"):
            Train(**{field: 1e31})
    Train(lr=1e20, lr_factor=100, milestones=(1, 2, 3, 4, 5))
    with pytest.raises(RecipeError, match="train.lr_factor is 100 .* exceeds 1e.30; lower one"):
        Train(lr=1e20, lr_factor=100, milestones=(1, 2, 3, 4, 5, 6))


def test_sections_are_objects_of_their_classes():
    with pytest.raises(
        RecipeError, match=r"train is 3; it must be a jtdiag.recipe.recipe.Train, or use"
    ):
        Recipe(data=Data(name="digits"), members=Members(arch="mlp", count=1), train=3)
    with pytest.raises(RecipeError, match=r"data is \{'name': 'digits'\}; it must be a jtdiag"):
        Recipe(data={"name": "digits"}, members=Members(arch="mlp", count=1))
