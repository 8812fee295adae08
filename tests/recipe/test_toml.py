import hashlib
import string
import subprocess
import sys
import tomllib

import attrs
import pytest
from hypothesis import example, given, settings, strategies as st

from jtdiag import find_recipe
from jtdiag.errors import RecipeError
from jtdiag.recipe import presets, studies, toml
from jtdiag.recipe.alerts import Alerts
from jtdiag.recipe.objective import Objective
from jtdiag.recipe.recipe import Data, Engine, Keep, Members, Modules, Recipe, Train

TOML = """
lam = [0, 0.5, 0.8, 0.9, 0.95, 0.99, 1]
[data]
name = "fashion-mnist"
val = 10
[members]
arch = "mlp"
count = 256
hidden = [4]
[train]
lr = [5.12, 5.12, 5.12, 5.12, 5.12, 1.536, 1.536]
"""

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
POSITIVE = st.floats(1e-300, 1e3)


def any_members():
    """Members of every architecture, each with the fields that it understands."""
    count, size = st.integers(1, 999), st.integers(1, 999)
    layers = st.lists(st.tuples(size, st.integers(1, 3)), min_size=1, max_size=3)
    return st.one_of(
        st.builds(Members, arch=st.just("mlp"), count=count, hidden=st.lists(size, max_size=3)),
        st.builds(
            lambda count, layers: Members(
                arch="conv",
                count=count,
                filters=[layer[0] for layer in layers],
                strides=[layer[1] for layer in layers],
            ),
            count,
            layers,
        ),
        st.builds(
            Members,
            arch=st.just("densenet"),
            count=count,
            depth=size,
            growth=size,
            reduction=st.floats(0.01, 1),
        ),
        st.builds(Members, arch=st.just("module"), count=count, factory=TEXT),
    )


def kept():
    item = st.integers(0, 500) | st.sampled_from(["best", "last"])
    listed = st.lists(item, min_size=1, max_size=5, unique=True)
    return st.just("all") | st.just("none") | listed


@st.composite
def recipes(draw):
    lam = draw(st.lists(st.floats(0, 1), min_size=1, max_size=4, unique=True))
    rates = draw(st.sampled_from([1, len(lam)]))
    momentum = draw(st.floats(0, 1))
    return Recipe(
        name=draw(TEXT.filter(lambda name: "/" not in name and name not in (".", ".."))),
        lam=lam,
        trials=draw(st.integers(1, 99)),
        seed=draw(st.integers(0, 2**63)),
        data=Data(
            name=draw(TEXT),
            root=draw(TEXT),
            val=draw(st.integers(1, 10**6)),
            augment=draw(st.lists(st.sampled_from(["crop", "flip"]), max_size=2, unique=True)),
        ),
        members=draw(any_members()),
        train=Train(
            epochs=draw(st.integers(1, 999)),
            batch=draw(st.integers(1, 999)),
            lr=draw(st.lists(POSITIVE, min_size=rates, max_size=rates)),
            momentum=momentum,
            nesterov=draw(st.booleans()) if momentum else False,
            weight_decay=draw(st.floats(0, 1e30)),
            milestones=draw(st.lists(st.integers(1, 999), max_size=3)),
            lr_factor=draw(POSITIVE),
            lr_scale=draw(st.sampled_from(["none", "members"])),
            optimiser=draw(st.sampled_from(["sgd", "adamw", "soap"])),
            clip=draw(st.floats(0, 1e30)),
            schedule=draw(st.sampled_from(["milestones", "cosine"])),
            warmup=draw(st.integers(0, 99)),
        ),
        keep=Keep(
            outputs=draw(kept()),
            checkpoints=draw(kept()),
            splits=draw(
                st.lists(
                    st.sampled_from(["train", "val", "test"]), min_size=1, max_size=3, unique=True
                )
            ),
            dtype=draw(st.sampled_from(["float16", "float32", "float64"])),
        ),
        engine=Engine(
            device=draw(TEXT),
            threads=draw(st.integers(1, 64) | st.just("auto")),
            precision=draw(st.sampled_from(["float32", "float64"])),
            lanes=draw(st.integers(1, 64) | st.just("auto")),
            execution=draw(st.sampled_from(["auto", "stacked", "vmap", "loop"])),
            products=draw(st.sampled_from(["auto", "float32", "bfloat16"])),
            micro_members=draw(st.integers(1, 64) | st.just("auto")),
        ),
    )


def small(**data):
    return Recipe(
        data=Data(**{"name": "digits", **data}), members=Members(arch="mlp", count=2, hidden=(3,))
    )


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TOML, encoding="utf-8")
    return path


# --- TOML out and in ---------------------------------------------------------------------------


@pytest.mark.slow
@settings(deadline=None)
@given(recipes())
@example(small(root='"quoted"\\ λ\n\t\x00'))
@example(small(root="delete\x7f"))
def test_a_recipe_survives_toml(recipe):
    text = toml.to_toml(recipe)
    again = toml.from_table(tomllib.loads(text))
    assert again == recipe
    assert toml.to_toml(again) == text


def quiet(kind):
    """Fields that TOML leaves out at their defaults."""
    return {f.name for f in attrs.fields(kind) if f.metadata.get("quiet")}


def test_toml_names_every_field():
    table = tomllib.loads(toml.to_toml(small()))
    for section, kind in toml.SECTIONS.items():
        spoken = [f.name for f in attrs.fields(kind) if f.name not in quiet(kind)]
        assert list(table.get(section, {})) == spoken
    assert table.keys() == {f.name for f in attrs.fields(Recipe)} - quiet(Recipe) - {
        "objective",
        "modules",
        "alerts",
    }


def test_toml_names_quiet_fields_that_say_something():
    recipe = attrs.evolve(small(), family="poisson", objective=Objective(drop=0.5))
    table = tomllib.loads(toml.to_toml(recipe))
    assert table["family"] == "poisson"
    assert table["objective"] == {"drop": 0.5}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("members.start=[1.5, 0.5]", "start = [1.5, 0.5]"),
        ("members.start_spread=[0.5, 2]", "start_spread = [0.5, 2.0]"),
    ],
)
def test_starting_factors_are_set_on_the_command_line_and_survive_toml(tmp_path, change, line):
    path = tmp_path / "mine.toml"
    path.write_text(toml.to_toml(small()), encoding="utf-8")
    recipe = toml.read(path, [change])
    assert line in toml.to_toml(recipe).splitlines()
    assert toml.from_table(tomllib.loads(toml.to_toml(recipe))) == recipe


def test_equal_starts_are_not_written():
    recipe = attrs.evolve(small(), members=Members(arch="mlp", count=2, hidden=(3,), start="equal"))
    assert recipe == small()
    assert "start" not in toml.to_toml(recipe)


def test_the_file_names_the_recipe_unless_the_recipe_does(file):
    assert toml.read(file).name == "mine"
    file.write_text('name = "own"\n' + TOML, encoding="utf-8")
    assert toml.read(file).name == "own"


# --- the digest --------------------------------------------------------------------------------


def test_the_digest_is_the_start_of_the_hash_of_the_canonical_text():
    text = toml.canonical(small()).encode("utf-8")
    assert toml.digest(small()) == hashlib.sha256(text).hexdigest()[:16]


def test_the_canonical_text_has_a_line_for_every_field_that_is_written():
    text = toml.canonical(small(root='"a"'))
    assert text.startswith(
        'name = "run"\nlam = [0.0, 0.5, 0.9, 1.0]\ntrials = 1\nseed = 0\n\n[data]\n'
        'name = "digits"\nroot = "\\"a\\""\nval = 0\naugment = []\n\n[members]\n'
    )
    assert tomllib.loads(text) == tomllib.loads(toml.to_toml(small(root='"a"')))


# Computed by the version that still hashed the TOML file: stored runs refer to these.
PRESETS = {
    "cifar10-conv": "dd6f06c25ca116ab",
    "cifar100-conv-16": "77a0a38d82b8ac39",
    "cifar100-conv-32": "86d399ffe3cff12b",
    "cifar100-conv-48": "25505404c801ddd4",
    "cifar100-conv-64": "c79d91c059651ea7",
    "cifar100-dn-high": "441a914d69437ece",
    "cifar100-dn-low": "eb2acb5603c2479e",
    "cifar100-dn-mid": "b32c1ab7d6449bb2",
    "cifar100-resnext": "bf396d9d7b65052e",
    "demo": "ee234a646c96209d",
    "dominance": "587589005b724c19",
    "fashion-16x64": "c6a249d5d1e325f3",
    "fashion-1x1024": "bc372833b0813bd1",
    "fashion-256x4": "7ca9d8fae162b554",
    "fashion-64x16": "5380ab32c69e0c6b",
}
STUDY = {
    "single": "d0dc382e344bab8c",
    "joint": "b03a6290510b53fb",
    "bagging": "88ff502380664441",
}
DIGESTS = [
    ("570e090d36fb7794", {"scheme": "bagging", "lam": 0, "bootstrap": "batches"}),
    ("4f7789639ffe1f76", {"lam": [0, 0.9], "family": "poisson", "combiner": "probabilities"}),
    ("392dd6ae3c7756d9", {"train": {"lr": "paper"}, "lam": [0, 1]}),
    (
        "0c924b22dd2f7fbc",
        {"objective": {"lam_schedule": "step", "lam_epochs": 3, "drop": 0.25}},
    ),
    ("c8f1568cc4f5fcc6", {"alerts": {"stop_on": ["dominance"], "lower_lam": 0.5}}),
    (
        "0d075d3276a7e83a",
        {
            "members": {"arch": "resnext", "count": 4, "blocks": [1, 1, 1, 1], "width": 4},
            "name": 'a"\u00e4\x7f\n',
        },
    ),
    (
        "896bb5d620971164",
        {
            "keep": {
                "outputs": [0, "best"],
                "checkpoints": "none",
                "splits": ["val", "test"],
            },
            "engine": {"threads": 2, "lanes": 3, "execution": "vmap"},
        },
    ),
]


def test_the_digest_of_every_preset_is_that_of_the_runs_on_disk():
    assert {name: toml.digest(find_recipe(name)) for name in presets.paths()} == PRESETS
    runs = studies.find("fashion-fig2").runs
    assert {name: toml.digest(recipe) for name, recipe in runs.items()} == STUDY


@pytest.mark.parametrize(("digest", "changes"), DIGESTS, ids=lambda value: str(value)[:20])
def test_the_digest_of_other_recipes_is_that_of_the_runs_on_disk(digest, changes):
    table = {
        "name": "x",
        "data": {"name": "digits", "val": 10},
        "members": {"arch": "mlp", "count": 4, "hidden": [8]},
    }
    assert toml.digest(toml.from_table({**table, **changes})) == digest


def test_a_recipe_as_earlier_versions_wrote_it_is_read():
    recipe = find_recipe("cifar100-resnext")
    assert toml.from_table(tomllib.loads(toml.canonical(recipe))) == recipe


def test_lists_are_written_on_one_line():
    table = {"a": [1, [2.0, "[x,"], []], "b": {"c": ["é\n, ]", {"d": (1, 2)}]}}
    text = toml.dumps(table)
    assert tomllib.loads(text) == {"a": table["a"], "b": {"c": ["é\n, ]", {"d": [1, 2]}]}}
    assert [line.partition(" ")[0] for line in text.splitlines()] == ["a", "", "[b]", "c"]


def test_the_digest_does_not_depend_on_how_a_recipe_is_written(tmp_path):
    short, long = tmp_path / "short.toml", tmp_path / "long.toml"
    short.write_text('name="a"\nlam=1\n[data]\nname="digits"\n[members]\ncount=2\narch="mlp"\n')
    long.write_text(toml.to_toml(toml.read(short)))
    assert short.read_text() != long.read_text()
    digests = {toml.digest(toml.read(path)) for path in (short, long)}
    assert len(digests) == 1


@pytest.mark.slow
def test_the_digest_is_the_same_in_another_process():
    code = (
        "from jtdiag.recipe import toml; from jtdiag.recipe.recipe import *\n"
        "print(toml.digest(Recipe(data=Data(name='digits'), "
        "members=Members(arch='mlp', count=2, hidden=(3,)))))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == toml.digest(small())
    assert set(ran.stdout.strip()) <= set(string.hexdigits)


# --- unknown keys and bad files ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("lambda = [0, 1]", "unknown key 'lambda'. Did you mean 'lam'?"),
        ('"λ" = [0, 1]', "unknown key 'λ'. Did you mean 'lam'?"),
        ("trails = 3", "unknown key 'trails'. Did you mean 'trials'?"),
        ("dataset = 'digits'", "unknown key 'dataset'. Did you mean 'data'?"),
        (
            "zzz = 1",
            "unknown key 'zzz'. Known keys: data, members, name, lam, trials, seed, scheme, "
            "bootstrap, family, combiner, objective, modules, alerts, train, keep, engine.",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(file, line, answer):
    file.write_text(line + "\n" + TOML, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        toml.read(file)
    assert str(caught.value) == f"{file}: {answer}"


def test_an_unknown_key_of_a_section_is_refused_with_the_nearest_one(file):
    file.write_text(TOML + "epcohs = 3\n", encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        toml.read(file)
    assert str(caught.value) == (f"{file}, [train]: unknown key 'epcohs'. Did you mean 'epochs'?")


def test_an_unknown_key_is_named_before_what_is_missing():
    table = tomllib.loads(TOML)
    table["members"]["cuont"] = table["members"].pop("count")
    with pytest.raises(
        RecipeError, match=r"^recipe, \[members\]: .*'cuont'\. Did you mean 'count'"
    ):
        toml.from_table(table)
    table["dataset"] = table.pop("data")
    with pytest.raises(RecipeError, match=r"^recipe: .*'dataset'\. Did you mean 'data'"):
        toml.from_table(table)


@pytest.mark.parametrize("section", ["data", "members"])
def test_data_and_members_must_be_there(section):
    table = tomllib.loads(TOML)
    del table[section]
    with pytest.raises(RecipeError, match=rf"\[{section}\] is missing"):
        toml.from_table(table)


@pytest.mark.parametrize(
    ("section", "field"), [("data", "name"), ("members", "arch"), ("members", "count")]
)
def test_what_a_section_needs_must_be_given(section, field):
    table = tomllib.loads(TOML)
    del table[section][field]
    with pytest.raises(RecipeError, match=rf"\[{section}\] has no '{field}'; it is required"):
        toml.from_table(table)


def test_a_section_that_is_no_table_is_refused():
    with pytest.raises(RecipeError, match=r"train is 3; it must be a table, \[train\]"):
        toml.from_table({**tomllib.loads(TOML), "train": 3})


def test_a_missing_file_says_where_recipes_are(tmp_path):
    with pytest.raises(RecipeError, match=r"none\.toml: cannot be read .* `jtdiag presets`"):
        toml.read(tmp_path / "none.toml")


@pytest.mark.parametrize("content", [b"lam = [0,", b"lam = 0\nlam = 1", b"name = '\xff'"])
def test_a_file_that_is_no_toml_is_one_line(file, content):
    file.write_bytes(content)
    with pytest.raises(RecipeError, match="is not valid TOML") as caught:
        toml.read(file)
    assert "\n" not in str(caught.value)


# --- --set key=value ---------------------------------------------------------------------------


def read(file, *changes):
    return toml.read(file, changes)


def test_the_readmes_line_works_as_written(file):
    made = read(file, "train.epochs=3", "lam=[0,0.9]", "trials=1", "data.root=../some/data")
    assert (made.train.epochs, made.lam, made.trials) == (3, (0.0, 0.9), 1)
    assert made.data.root == "../some/data"
    assert made.train.lr == (5.12, 5.12)


@pytest.mark.parametrize(
    ("change", "section", "field", "value"),
    [
        ("train.epochs=3", "train", "epochs", 3),
        ("train.nesterov=true", "train", "nesterov", True),
        ("train.weight_decay=1e-4", "train", "weight_decay", 1e-4),
        ("train.lr_factor = 0.5", "train", "lr_factor", 0.5),
        ('data.name="digits"', "data", "name", "digits"),
        ("data.name=digits", "data", "name", "digits"),
        ("data.name=a=b.npz", "data", "name", "a=b.npz"),
        ("data.root=/data/it's here", "data", "root", "/data/it's here"),
        ("members.hidden=[8, 4]", "members", "hidden", (8, 4)),
        ("keep.outputs=none", "keep", "outputs", "none"),
        ('keep.outputs=[1, "best"]', "keep", "outputs", (1, "best")),
        ("engine.device=cpu", "engine", "device", "cpu"),
    ],
)
def test_a_change_is_toml_or_else_plain_text(file, change, section, field, value):
    assert getattr(getattr(read(file, change), section), field) == value


def test_a_change_changes_nothing_else(file):
    before, after = attrs.asdict(read(file)), attrs.asdict(read(file, "trials=3"))
    assert after == {**before, "trials": 3}


def test_the_last_of_two_changes_of_one_field_counts(file):
    assert read(file, "trials=3", "trials=2").trials == 2


def test_a_table_is_not_changed_by_overriding_it():
    table = tomllib.loads(TOML)
    toml.override(table, ["lam=0", "train.epochs=3", "keep.outputs=none"])
    assert table == tomllib.loads(TOML)


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ("epochs", "--set epochs: must be key=value, such as --set train.epochs=3."),
        ("=3", "--set =3: must be key=value, such as --set train.epochs=3."),
        ("trian.lr=3", "--set trian.lr: there is no section 'trian'. Did you mean 'train'?"),
        ("a.b.c=3", "--set a.b.c: there is no section 'a.b'."),
        ("lambda=0", "{file}: unknown key 'lambda'. Did you mean 'lam'?"),
        ("train.lambda=0", "{file}, [train]: unknown key 'lambda'."),
        ("train.epochs=three", "train.epochs is 'three'; it must be a whole number, 1 or more."),
        ("data.root=3", "data.root is 3; it must be a non-empty string, in quotes."),
        ("lam=", "lam is ''; it must be a number in [0, 1]."),
        ("lam=2", "lam 2 "),
        ("lam=[]", "lam is an empty list; give at least one value."),
        ("train=3", "{file}: train is 3; it must be a table, [train]."),
    ],
)
def test_a_bad_change_is_one_line(file, change, answer):
    with pytest.raises(RecipeError) as caught:
        read(file, change)
    message = str(caught.value)
    assert "\n" not in message
    if change == "lam=2":
        assert "[0, 1]" in message
    else:
        assert message.startswith(answer.format(file=file))


@pytest.mark.parametrize(
    ("key", "value", "change", "answer"),
    [
        ("train", 3, "train.epochs=3", r"train is 3; it must be a table, \[train\]"),
        ("train", 3, "lam=0", r"train is 3; it must be a table, \[train\]"),
        ("lam", ["x", *[0.1 * i for i in range(6)]], "lam=0", "lam .*'x'"),
    ],
)
def test_a_bad_recipe_is_one_line_also_when_it_is_changed(key, value, change, answer):
    table = {**tomllib.loads(TOML), key: value}
    with pytest.raises(RecipeError, match=answer):
        toml.from_table(toml.override(table, [change]))


# --- a learning rate for each lambda, carried along ----------------------------------------------


@pytest.mark.parametrize(
    ("lam", "lr"),
    [
        ("[0,0.9]", (5.12, 5.12)),
        ("[0, 0.99]", (5.12, 1.536)),
        ("[1, 0]", (1.536, 5.12)),
        ("0.99", (1.536,)),
        ("[0.7, 0.995, 0.3]", (5.12, 1.536, 5.12)),
    ],
)
def test_each_lambda_keeps_the_rate_that_the_recipe_gives_it(file, lam, lr):
    assert read(file, f"lam={lam}").train.lr == lr


def test_a_lambda_between_two_rates_is_refused(file):
    with pytest.raises(RecipeError, match=r"^lam 0\.97 has no learning rate .* --set train\.lr="):
        read(file, "lam=[0, 0.97]")


def test_a_lambda_outside_all_that_are_listed_takes_the_nearest_rate():
    table = {"lam": [0.5, 0.9], "train": {"lr": [2.0, 1.0]}}
    assert toml.override(table, ["lam=[0.1, 1]"])["train"]["lr"] == [2.0, 1.0]


def test_the_rates_follow_their_lambdas_in_whatever_order_they_are_listed():
    table = {"lam": [1, 0, 0.5], "train": {"lr": [1.0, 3.0, 3.0]}}
    assert toml.override(table, ["lam=[0.2, 1]"])["train"]["lr"] == [3.0, 1.0]


def test_rates_that_are_set_with_the_lambdas_stand(file):
    made = read(file, "lam=[0, 0.97]", "train.lr=[1, 2]")
    assert (made.lam, made.train.lr) == ((0.0, 0.97), (1.0, 2.0))
    assert read(file, "train.lr=0.5", "lam=[0, 0.97]").train.lr == (0.5,)


def test_one_rate_for_all_stays_one():
    made = toml.override({"lam": [0, 1], "train": {"lr": [0.1]}}, ["lam=[0, 0.5, 1]"])
    assert made["train"]["lr"] == [0.1]
    assert toml.override({"lam": [0, 1]}, ["lam=0.5"]) == {"lam": 0.5}


# --- differences ---------------------------------------------------------------------------------

MACHINE = {
    "data.root",
    "engine.device",
    "engine.threads",
    "engine.lanes",
    "engine.execution",
    "engine.layout",
    "engine.products",
    "engine.micro_members",
}
OTHER = {
    "name": "other",
    "lam": (0.25,),
    "trials": 7,
    "seed": 7,
    "scheme": "bagging",
    "bootstrap": "batches",
    "family": "poisson",
    "combiner": "probabilities",
    "objective.loss": "gncl-exact",
    "objective.drop": 0.7,
    "objective.lam_schedule": "cosine",
    "objective.lam_start": 0.7,
    "objective.lam_epochs": 7,
    "modules.cuts": (1,),
    "modules.credit": "frozen",
    "modules.watch": True,
    "modules.loss": "sim",
    "modules.mu": 0.7,
    "modules.mu_schedule": "cosine",
    "modules.mu_start": 0.7,
    "modules.mu_epochs": 7,
    "modules.reach": 2,
    "modules.lam": "every",
    "modules.head_layers": 2,
    "modules.pool": 7,
    "modules.beta": 0.7,
    "modules.reconstruction": (7.0, 1.0),
    "modules.prediction": (7.0, 1.0),
    "modules.temperature": 0.7,
    "modules.epochs": (6, 4),
    "modules.pairs": 0.7,
    "modules.label": False,
    "modules.warmup": 7,
    "modules.step": 0.7,
    "modules.first": "output",
    "modules.inverse": "fixed",
    "modules.noise": 0.7,
    "modules.rho": 0.7,
    "modules.sweeps": 7,
    "modules.code_step": 0.7,
    "modules.rates": (7.0, 1.0),
    "modules.auxiliary_rate": 7.0,
    "alerts.stop_on": ("stagnation",),
    "alerts.lower_lam": 0.7,
    "alerts.lower_on": ("stagnation",),
    "data.name": "other.npz",
    "data.root": "elsewhere",
    "data.val": 7,
    "data.layout": "nhwc",
    "data.scale": 255.0,
    "data.resize": (7, 7),
    "data.keys": ("a", "b", "c", "d"),
    "data.standardize": False,
    "data.classes": ((0, 7), (3,)),
    "data.limit": 700,
    "data.augment": ("flip",),
    "members.count": 7,
    "members.hidden": (7,),
    "members.norm": "batch",
    "members.activation": "tanh",
    "members.filters": (7, 7),
    "members.strides": (7, 7),
    "members.depth": 7,
    "members.growth": 7,
    "members.reduction": 0.7,
    "members.start": (7.0, 0.7),
    "members.start_spread": (0.7, 7.0),
    "members.factory": "other:make",
    "members.blocks": (7, 7, 7, 7),
    "members.width": 7,
    "train.epochs": 7,
    "train.batch": 7,
    "train.lr": (7.0,),
    "train.lr_rule": "matched",
    "train.lr_scale": "members",
    "train.optimiser": "adamw",
    "train.clip": 7.0,
    "train.schedule": "cosine",
    "train.warmup": 7,
    "train.momentum": 0.7,
    "train.nesterov": True,
    "train.weight_decay": 0.7,
    "train.milestones": (7,),
    "train.lr_factor": 0.7,
    "keep.outputs": "none",
    "keep.checkpoints": "none",
    "keep.splits": ("train",),
    "keep.dtype": "float64",
    "engine.device": "cpu",
    "engine.threads": 7,
    "engine.precision": "float64",
    "engine.lanes": 7,
    "engine.execution": "vmap",
    "engine.products": "bfloat16",
    "engine.layout": "channels_last",
    "engine.micro_members": 7,
}
OTHER_MEMBERS = (
    Members(arch="conv", count=2, filters=(3, 4), strides=(1, 2)),
    Members(arch="densenet", count=2, depth=10, growth=4),
    Members(arch="module", count=2, factory="mine:make"),
    Members(arch="resnext", count=2, blocks=(1, 2, 3, 4), width=4),
)


def modules_with(name):
    """The section [modules] of a credit and a loss that understand a field."""
    if name in ("label", "warmup"):
        return Modules(credit="synthetic")
    if name in ("step", "first", "inverse", "noise"):
        return Modules(credit="targets")
    if name in ("rho", "sweeps", "code_step"):
        return Modules(credit="codes")
    schedule = "linear" if name in ("mu_start", "mu_epochs") else "constant"
    of_infopro = dict.fromkeys(("reconstruction", "prediction"), "infopro")
    loss = {"beta": "predsim", "temperature": "contrast", **of_infopro}.get(name, "pred")
    return Modules(credit="local", loss=loss, mu_schedule=schedule)


def with_members(name):
    fitting = (m for m in OTHER_MEMBERS if name in m.architecture.fields)
    members = next(fitting, small().members)
    return attrs.evolve(small(), members=members)


def with_modules(name):
    if name in ("cuts", "credit", "watch"):
        return small()
    if name in ("epochs", "pairs"):
        epochs = (1, small().train.epochs - 1)
        return attrs.evolve(small(), modules=Modules(credit="proxy", epochs=epochs))
    return attrs.evolve(small(), modules=modules_with(name))


def with_field(field):
    """A small recipe whose architecture understands a field."""
    section, _, name = field.partition(".")
    if name in ("lam_start", "lam_epochs"):
        return attrs.evolve(small(), objective=Objective(lam_schedule="linear"))
    if field in ("scheme", "bootstrap"):
        independent = attrs.evolve(small(), lam=(0.0,))
        return independent if field == "scheme" else attrs.evolve(independent, scheme="bagging")
    if name == "lr_rule":  # by hand what the rule says, so that only the rule is new
        return attrs.evolve(small(), train=Train(lr=(0.04,) * len(small().lam)))
    if name == "lower_on":
        return attrs.evolve(small(), alerts=Alerts(lower_lam=0.7))
    return {"modules": with_modules, "members": with_members}.get(section, lambda _: small())(name)


def changed(recipe, field, value):
    section, dot, name = field.partition(".")
    if not dot:
        return attrs.evolve(recipe, **{field: value})
    part = attrs.evolve(getattr(recipe, section), **{name: value})
    return attrs.evolve(recipe, **{section: part})


def test_the_differences_know_every_field():
    fields = {f.name for f in attrs.fields(Recipe)} - toml.SECTIONS.keys()
    for section, kind in toml.SECTIONS.items():
        fields |= {f"{section}.{f.name}" for f in attrs.fields(kind)}
    # arch changes with other fields, and options belong to third-party architectures
    assert OTHER.keys() | {"members.arch", "members.options"} == fields


@pytest.mark.parametrize("field", OTHER)
def test_two_recipes_differ_where_their_runs_would(field):
    old, new = with_field(field), changed(with_field(field), field, OTHER[field])
    assert new != old
    assert toml.differences(old, new) == ([] if field in MACHINE else [field])
    assert toml.digest(old) != toml.digest(new)


def test_a_recipe_does_not_differ_from_itself():
    assert toml.differences(small(), small()) == []


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(recipes(), recipes())
def test_differences_are_the_fields_that_are_not_equal(old, new):
    expected = []
    a, b = attrs.asdict(old), attrs.asdict(new)
    for key in ("name", "lam", "trials", "seed"):
        expected += [key] if a[key] != b[key] else []
    for section in toml.SECTIONS:
        expected += [f"{section}.{k}" for k in a[section] if a[section][k] != b[section][k]]
    assert sorted(toml.differences(old, new)) == sorted(set(expected) - MACHINE)


BAD_DOCUMENTS = {
    "an integer of 5,000 digits": "trials = " + "9" * 5000,
    "deep nesting": "lam = " + "[" * 5000 + "]" * 5000,
    "an escape in a key": '"\\u001b[2J" = 1',
    "a long key": f"{'k' * 30_000} = 1",
    "a table for a word": '[data]\nname = "digits"\n[members]\narch = {a = 1}\ncount = 2',
    "a list for a word": '[data]\nname = "digits"\n[members]\narch = ["mlp"]\ncount = 2',
}


@pytest.mark.parametrize("kind", BAD_DOCUMENTS)
def test_a_bad_document_is_refused_in_one_short_printable_line(tmp_path, kind):
    path = tmp_path / "bad.toml"
    text = BAD_DOCUMENTS[kind]
    head = (
        "" if "[data]" in text else '\n[data]\nname = "digits"\n[members]\narch = "mlp"\ncount = 2'
    )
    path.write_text(text + head, "utf-8")
    with pytest.raises(RecipeError) as caught:
        toml.read(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "change", ["trials=" + "9" * 5000, "\x1b[2J=1", "k" * 9999 + ".a=1", "lam=" + "[" * 5000]
)
def test_a_bad_override_is_refused_in_one_short_printable_line(change):
    table = {"data": {"name": "digits"}, "members": {"arch": "mlp", "count": 2}}
    with pytest.raises(RecipeError) as caught:
        toml.from_table(toml.override(table, [change]))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_a_byte_order_mark_is_no_part_of_a_recipe(tmp_path):
    path = tmp_path / "bom.toml"
    path.write_text(TOML, encoding="utf-8-sig")
    assert toml.read(path) == attrs.evolve(toml.from_table(tomllib.loads(TOML)), name="bom")


@pytest.mark.parametrize("key", [3, None, ("a",)])
def test_a_key_that_is_no_string_is_refused(key):
    with pytest.raises(RecipeError, match="unknown key"):
        toml.from_table({"data": {"name": "digits", key: 1}, "members": {"arch": "mlp"}})


def test_a_recipe_that_is_no_table_is_refused():
    with pytest.raises(RecipeError, match=r"recipe is \[1\]; it must be a table of fields"):
        toml.from_table([1])
