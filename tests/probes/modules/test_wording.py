import math

import pytest

from jtdiag.stats import Interval
from jtdiag_probes.modules import wording


def around(mean, reach=math.nan):
    return Interval(mean, mean - reach, mean + reach)


THREE = {"layer1": around(12.0, 2), "layer2": around(3.0, 3.5), "head": around(0.1, 0.5)}
MANY = {f"layer{i}": around(10.0 - i, 1) for i in range(1, 10)}
C = {"own_statistics": {}, "margin": 1.0, "trials": 5}
SENTENCES = [
    (
        wording.one_module(),
        "The members of this run are one module: they have no hidden layer, or cannot be cut,"
        " so that modules cannot be compared.",
    ),
    (
        wording.no_start(),
        "The run stores no checkpoints of epoch 0 and of a later epoch, so that no module can"
        ' be set back to its start; train with keep.checkpoints = [0, "last"], or keep more.',
    ),
    (
        wording.rewinding(0.9, (12, 12), wording.ENSEMBLE, around(2.0, 0.5), THREE, **C),
        "λ = 0.9: after epoch 12, the test error of the ensemble is 2.0 % (95 % interval 1.5 "
        "to 2.5 %). If one module is set back to epoch 0, the error changes by +12.0 points "
        "(95 % interval +10.0 to +14.0 points) with layer1, +3.0 points (95 % interval −0.5 "
        "to +6.5 points) with layer2 and +0.1 points (95 % interval −0.4 to +0.6 points) with"
        " head. Setting back layer1 costs more than 1 point: this module carries the network;"
        " head can be set back at a loss of less than 1 point; with layer2, neither a rise "
        "nor a loss of less than 1 point can be shown (5 paired trials).",
    ),
    (
        wording.rewinding(
            0,
            (3, 12),
            wording.MEMBERS,
            around(2.0),
            {"layer1": around(0.1, 0.5), "head": around(0.2, 0.5)},
            own_statistics={"layer1": 50.04, "head": -0.2},
            margin=0.5,
            trials=3,
        ),
        "λ = 0: after the last kept epochs (3 to 12), the mean test error of the members is "
        "2.0 %. If one module is set back to epoch 0, the error changes by +0.1 points (95 % "
        "interval −0.4 to +0.6 points) with layer1 and +0.2 points (95 % interval −0.3 to "
        "+0.7 points) with head. Statistics of BatchNorm are estimated again after that; with"
        " those of epoch 0, the error changes by +50.0 points with layer1 and −0.2 points "
        "with head. No module is shown to cost more than 0.5 points; with layer1 and head, "
        "neither a rise nor a loss of less than 0.5 points can be shown (3 paired trials).",
    ),
    (
        wording.rewinding(
            0.9,
            (12, 12),
            wording.ENSEMBLE,
            around(2.0),
            {"layer1": around(0.8, 0.5), "head": around(0.7, 0.2)},
            **C,
        ),
        "λ = 0.9: after epoch 12, the test error of the ensemble is 2.0 %. If one module is "
        "set back to epoch 0, the error changes by +0.8 points (95 % interval +0.3 to +1.3 "
        "points) with layer1 and +0.7 points (95 % interval +0.5 to +0.9 points) with head. "
        "No module is shown to cost more than 1 point; head can be set back at a loss of less"
        " than 1 point; with layer1, the error rises significantly, but whether by more than "
        "1 point is open (5 paired trials).",
    ),
    (
        wording.rewinding(
            1,
            (12, 12),
            wording.SINGLE,
            around(2.0),
            {"layer1": around(9.0), "head": around(0.2)},
            own_statistics={},
            margin=1.0,
            trials=1,
        ),
        "λ = 1: after epoch 12, the test error of the member is 2.0 %. If one module is set "
        "back to epoch 0, the error changes by +9.0 points with layer1 and +0.2 points with "
        "head. Too few trials to test which modules carry the network (1; at least 3 are "
        "needed).",
    ),
    (
        wording.rewinding(1, (12, 12), wording.ENSEMBLE, around(2.0), MANY, **C),
        "λ = 1: after epoch 12, the test error of the ensemble is 2.0 %. If one module is set"
        " back to epoch 0, the error changes by +9.0 points (95 % interval +8.0 to +10.0 "
        "points) with layer1, +8.0 points (95 % interval +7.0 to +9.0 points) with layer2, "
        "+7.0 points (95 % interval +6.0 to +8.0 points) with layer3, +6.0 points (95 % "
        "interval +5.0 to +7.0 points) with layer4, +5.0 points (95 % interval +4.0 to +6.0 "
        "points) with layer5, +4.0 points (95 % interval +3.0 to +5.0 points) with layer6, "
        "+3.0 points (95 % interval +2.0 to +4.0 points) with layer7 and +2.0 points (95 % "
        "interval +1.0 to +3.0 points) with layer8 (1 module with smaller numbers not "
        "listed). Setting back layer1, layer2, layer3, layer4, layer5, layer6 and layer7 "
        "costs more than 1 point: these modules carry the network; with layer8, the error "
        "rises significantly, but whether by more than 1 point is open; with layer9, neither "
        "a rise nor a loss of less than 1 point can be shown (5 paired trials).",
    ),
    (
        wording.skill(
            0.9,
            (12, 12),
            {"inputs": around(95.0, 1), "layer1": around(4.0, 1), "head": around(1.0, 0.5)},
            around(1.5, 0.25),
            (5, 5),
        ),
        "λ = 0.9: of the skill (error at chance level minus error) of linear classifiers on "
        "frozen features after epoch 12, 95.0 % (95 % interval 94.0 to 96.0 %) is reached on "
        "the inputs and, in addition, 4.0 % (95 % interval 3.0 to 5.0 %) at layer1 and 1.0 % "
        "(95 % interval 0.5 to 1.5 %) at head. By what they add, the effective number of "
        "modules is 1.5 (95 % interval 1.2 to 1.8) of 2.",
    ),
    (
        wording.skill(
            0.9,
            (12, 12),
            {"inputs": around(95.0), "layer1": around(4.0), "head": around(1.0)},
            around(1.5),
            (1, 3),
        ),
        "λ = 0.9: of the skill (error at chance level minus error) of linear classifiers on "
        "frozen features after epoch 12, 95.0 % is reached on the inputs and, in addition, "
        "4.0 % at layer1 and 1.0 % at head. By what they add, the effective number of modules"
        " is 1.5 of 2, in 1 of 3 trials; in the others none adds.",
    ),
    (
        wording.skill(
            1,
            (12, 12),
            {"inputs": around(100.0), "layer1": around(0.0), "head": around(0.0)},
            around(math.nan),
            (0, 3),
        ),
        "λ = 1: of the skill (error at chance level minus error) of linear classifiers on "
        "frozen features after epoch 12, 100.0 % is reached on the inputs and, in addition, "
        "0.0 % at layer1 and 0.0 % at head. No module adds to what a linear classifier "
        "reaches on the inputs.",
    ),
    (
        wording.stagnation(
            0,
            (12, 12),
            {
                "layer1": around(-5.0, 1),
                "layer2": around(0.1, 0.5),
                "layer3": around(2.0, 1),
                "layer4": around(-1.0, 3),
            },
            margin=1.0,
            trials=5,
        ),
        "λ = 0: after epoch 12, from one module to the next, beginning with the inputs, the "
        "error of a linear classifier falls significantly at layer1 (−5.0 points (95 % "
        "interval −6.0 to −4.0 points)), rises significantly at layer3 (+2.0 points (95 % "
        "interval +1.0 to +3.0 points)), falls by less than 1 point, if at all, at layer2 "
        "(+0.1 points (95 % interval −0.4 to +0.6 points)) and cannot be shown to fall or to "
        "stay at layer4 (5 paired trials). If a fall by less than 1 point counts as none, "
        "layer2 and layer3 stagnate.",
    ),
    (
        wording.stagnation(
            0,
            (12, 12),
            {"layer1": around(-5.0, 1), "layer2": around(0.1, 0.5)},
            margin=2.0,
            trials=5,
        ),
        "λ = 0: after epoch 12, from one module to the next, beginning with the inputs, the "
        "error of a linear classifier falls significantly at layer1 (−5.0 points (95 % "
        "interval −6.0 to −4.0 points)) and falls by less than 2 points, if at all, at layer2"
        " (+0.1 points (95 % interval −0.4 to +0.6 points)) (5 paired trials). If a fall by "
        "less than 2 points counts as none, layer2 stagnates.",
    ),
    (
        wording.stagnation(0, (12, 12), {"layer1": around(-5.0, 1)}, margin=1.0, trials=5),
        "λ = 0: after epoch 12, from one module to the next, beginning with the inputs, the "
        "error of a linear classifier falls significantly at layer1 (−5.0 points (95 % "
        "interval −6.0 to −4.0 points)) (5 paired trials).",
    ),
    (
        wording.displacement(0.5, (12, 12), {"layer1": around(0.25, 0.01), "head": around(1.5)}),
        "λ = 0.5: from epoch 0 to epoch 12, relative to their norm at epoch 0, the parameters"
        " of the modules move by 0.25 (95 % interval 0.24 to 0.26) at layer1 and 1.50 at head"
        " (means over members).",
    ),
    (
        wording.displacement(0, (2, 2), {"layer1": around(2.5e30, 1e29), "head": around(1.5)}),
        "λ = 0: from epoch 0 to epoch 2, relative to their norm at epoch 0, the parameters"
        " of the modules move by 2.5e+30 (95 % interval 2.4e+30 to 2.6e+30) at layer1 and 1.5 at"
        " head (means over members).",
    ),
    (
        wording.displacement(0.5, (12, 12), MANY),
        "λ = 0.5: from epoch 0 to epoch 12, relative to their norm at epoch 0, the parameters"
        " of the modules move by 9.00 (95 % interval 8.00 to 10.00) at layer1, 8.00 (95 % "
        "interval 7.00 to 9.00) at layer2, 7.00 (95 % interval 6.00 to 8.00) at layer3, 6.00 "
        "(95 % interval 5.00 to 7.00) at layer4, 5.00 (95 % interval 4.00 to 6.00) at layer5,"
        " 4.00 (95 % interval 3.00 to 5.00) at layer6, 3.00 (95 % interval 2.00 to 4.00) at "
        "layer7 and 2.00 (95 % interval 1.00 to 3.00) at layer8 (1 module with smaller "
        "numbers not listed) (means over members).",
    ),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_is_as_written_here(sentence, expected):
    assert sentence == expected
