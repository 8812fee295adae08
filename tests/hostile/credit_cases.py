"""[modules] of a recipe that contradict themselves, the members, or the data."""

from pathlib import Path

from hostile_case import hostile, is_refused, jtdiag
from users_module import write

KIND = "[modules]"
MEMBERS = ("--set", "members.hidden=[16, 4]", "--set", "members.start_spread=[]")
PROXY = ("modules.credit=proxy", "modules.epochs=[1, 1, 1]", "train.epochs=3")


def _refused(*changes: str, parts: tuple[str, ...]) -> None:
    """Check that the demo with two hidden layers and some changes is refused by one line."""
    arguments = [text for change in changes for text in ("--set", change)]
    is_refused(jtdiag("train", "demo", "--dry-run", *MEMBERS, *arguments), *parts)


@hostile(KIND, "a cut after a layer that does not exist, or twice after one", "refused")
def cuts(_: Path) -> None:
    for value, part in (
        ("[1, 5]", r"members have 2 hidden layers; list numbers from 1 to 2"),
        ("[1, 1]", "different layers in ascending order"),
        ("[2, 1]", "different layers in ascending order"),
        ("[0]", "a whole number, 1 or more"),
        ("[]", "is an empty list"),
        ('"heads"', "must be one of layers, head"),
    ):
        _refused("modules.credit=local", f"modules.cuts={value}", parts=(r"modules\.cuts", part))


@hostile(KIND, "nothing to cut, or branches that share layers", "refused")
def nothing_to_cut(tmp_path: Path) -> None:
    is_refused(
        jtdiag(
            *("train", "demo", "--dry-run", "--set", "members.hidden=[]"),
            *("--set", "modules.credit=local"),
        ),
        "a single layer here, so there is nothing to cut",
    )
    recipe = (
        '[data]\nname = "digits"\n[members]\narch = "branches"\ncount = 2\n'
        'factory = "net.py:make"\n[modules]\ncredit = "local"\n'
    )
    (tmp_path / "r.toml").write_text(recipe, "utf-8")
    is_refused(jtdiag("train", "r.toml", "--dry-run"), "whose members are branches that share")


@hostile(KIND, "a loss or a field of another credit", "refused")
def other_credits(_: Path) -> None:
    _refused("modules.credit=local", "modules.loss=al", parts=("must be one of pred, sim",))
    _refused(*PROXY, "modules.loss=predsim", parts=("must be one of al, nmse",))
    for credit in ("targets", "codes"):
        changes = (f"modules.credit={credit}", "modules.mu=0.5")
        _refused(*changes, parts=(f"modules.mu is set, but modules.credit is '{credit}'",))
    _refused(*PROXY, "modules.mu=0.5", parts=("modules.mu is set, but modules.credit is 'proxy'",))
    _refused("modules.mu=0.5", parts=("modules.mu is set, but modules.credit is 'end-to-end'",))


@hostile(KIND, "mu and reach together, and a reach beyond the head", "refused")
def reach(_: Path) -> None:
    local = "modules.credit=local"
    _refused(local, "modules.mu=0.5", "modules.reach=2", parts=("omit one of them",))
    _refused(local, "modules.reach=4", parts=("modules.reach is 4, and members have 3 modules",))


@hostile(KIND, "epochs of modules that do not add up, or of other modules", "refused")
def epochs(_: Path) -> None:
    _refused("modules.credit=proxy", parts=(r"list the epochs of each in modules\.epochs",))
    short = ("modules.credit=proxy", "modules.epochs=[1, 1, 1]", "train.epochs=4")
    _refused(*short, parts=("adds up to 3, and train.epochs is 4",))
    two = ("modules.credit=proxy", "modules.epochs=[1, 2]", "train.epochs=3")
    _refused(*two, parts=(r"modules\.epochs lists 2 modules, and members have 3",))


@hostile(KIND, "losses of classes for numbers", "refused")
def numbers(_: Path) -> None:
    data = ("data.name=diabetes", "data.val=50", "family=gaussian", "train.batch=100")
    _refused(*data, *PROXY, parts=("'proxy', which compares classes, and family is 'gaussian'",))
    for loss in ("sim", "predsim", "contrast"):
        changes = (*data, "modules.credit=local", f"modules.loss={loss}")
        _refused(*changes, parts=(f"'{loss}', which compares classes",))


@hostile(KIND, "kernels of tanh with neo, and bagging with batches of each member's own", "refused")
def combinations(_: Path) -> None:
    tanh = (*PROXY, "modules.loss=neo", "members.activation=tanh")
    _refused(*tanh, parts=(r"modules\.loss is 'neo' and members\.activation is 'tanh'",))
    bagging = ("lam=0", "scheme=bagging", "bootstrap=batches", "modules.credit=local")
    _refused(*bagging, parts=("bootstrap is 'batches'; use bootstrap = 'weights' with modules",))


@hostile(KIND, "batches of which none has a pair of examples of the same class", "refused")
def no_pairs(_: Path) -> None:
    alone = ("train.batch=1", "data.limit=300")
    _refused(*PROXY, *alone, parts=("trial 0 contains a pair of examples of the same class",))
    contrast = ("modules.credit=local", "modules.loss=contrast")
    _refused(*contrast, *alone, parts=("trial 0 contains a pair of examples of the same class",))
    _refused(*PROXY, "modules.pairs=1e-9", parts=("trial 0 contains a labelled pair",))


@hostile(KIND, "a proxy of ReLU with fewer units than classes", "read, and said")
def narrow(_: Path) -> None:
    arguments = [text for change in PROXY for text in ("--set", change)]
    ran = jtdiag("train", "demo", "--dry-run", *MEMBERS, *arguments)
    assert ran.exit_code == 0, ran.output
    assert "layer2 has 4 features for 10 classes, which cannot all be orthogonal" in ran.output
    assert "is at most 0.63 for classes of equal size" in ran.output


@hostile(KIND, "a module whose parts are not its forward pass", "refused")
def parts(tmp_path: Path) -> None:
    body = (
        "def make():\n"
        "    net = Net(lambda self, x: self.head(self.a(x).relu()), a=nn.Linear(D, D))\n"
        "    net.parts = [net.a, net.head]\n"
        "    return net\n"
    )
    write(tmp_path, body)
    ran = jtdiag("train", "recipe.toml", "--dry-run", "--set", "modules.credit=local")
    is_refused(ran, "whose module has parts that are not its forward pass")


@hostile(KIND, "resuming a run under other [modules]", "refused")
def resumed(_: Path) -> None:
    brief = ("--set", "lam=0", "--set", "train.epochs=1", "--set", "data.limit=300")
    local = ("--set", "modules.credit=local")
    ran = jtdiag("train", "demo", "--out", "run", *brief, *local)
    assert ran.exit_code == 0, ran.output
    other = (*local, "--set", "modules.loss=sim")
    resume = ("train", "demo", "--out", "run", "--resume", *brief)
    is_refused(jtdiag(*resume, *other), r"these fields differ: modules\.loss")
    is_refused(jtdiag(*resume), r"these fields differ: modules\.credit, modules\.loss")
