"""Names of all dimensions, variables and units, defined once.

A typo raises an ``AttributeError`` instead of producing an empty plot.
"""

import math
from typing import Final

# Dimensions of a store, in their order.
LAM: Final = "lam"
"""Weight λ of the ensemble's loss in Eq. 4, in [0, 1]."""
TRIAL: Final = "trial"
"""Repetition with another seed; error bars are over trials."""
EPOCH: Final = "epoch"
"""Number of passes over the training split; 0 is before training."""
SPLIT: Final = "split"
MEMBER: Final = "member"
EXAMPLE: Final = "example"
OUTPUT: Final = "output"
"""Index k of the K outputs; the class, if targets are classes."""
MODULE: Final = "module"
"""Consecutive part of a member, by the name of its last layer; only in runs with [modules]."""
PARAMETER: Final = "parameter"
"""Name of a parameter of a member, such as ``layer1.weight``; only in results."""

# Dimensions of results.
DROPPED: Final = "dropped"
"""Number of members removed from the ensemble, 0 to M−1."""
KEPT: Final = "kept"
"""Number of members kept, 1 to M."""
FAULTY: Final = "faulty"
"""Number of members with a fault, 0 to M."""
MODE: Final = "mode"
"""Index of a mode of the ensemble's outputs, from the largest singular value to the smallest."""
MEMBER_OUTPUT: Final = "member_output"
"""Index of a member's output, where `OUTPUT` is the index of the combined output."""

# Splits.
TRAIN: Final = "train"
VAL: Final = "val"
TEST: Final = "test"
SPLITS: Final = (TRAIN, VAL, TEST)

# Groups of a store.
METRICS: Final = "metrics"
OUTPUTS: Final = "outputs"
CHECKPOINTS: Final = "checkpoints"
BOOTSTRAP: Final = "bootstrap"
MEMBERS: Final = "members"
MODULES: Final = "modules"
AUXILIARY: Final = "auxiliary"
"""Group within checkpoints: parameters that are learned beside the members."""

# Variables of a store.
MEMBER_LOSS: Final = "member_loss"
MEMBER_ERROR: Final = "member_error"
ENSEMBLE_LOSS: Final = "ensemble_loss"
ENSEMBLE_ERROR: Final = "ensemble_error"
METRIC_VARIABLES: Final = (MEMBER_LOSS, MEMBER_ERROR, ENSEMBLE_LOSS, ENSEMBLE_ERROR)
MODULE_LOSS: Final = "module_loss"
"""Loss of a module's local head; of the member for the last module."""
MODULE_ERROR: Final = "module_error"
DEAD_ROWS: Final = "dead_rows"
"""Share of the examples for which all outputs of a module are 0."""
MODULE_VARIABLES: Final = (MODULE_LOSS, MODULE_ERROR, DEAD_ROWS)
"""Metrics of runs with [modules], by split, member and module."""
PROXY: Final = "proxy"
"""Proxy that a module ascends, in the epochs in which it is trained."""
SYNTHETIC_R2: Final = "synthetic_r2"
"""Share of the variance of the gradients that synthetic gradients explain."""
ENERGY: Final = "energy"
"""Energy at the codes of auxiliary variables, by module; of the last one, the loss."""
ENERGY_BEFORE: Final = "energy_before"
"""The same before the codes are moved from the outputs of the modules."""
INVERSE_ERROR: Final = "inverse_error"
"""Squared error of the inverses of target propagation, relative to the variance of the input."""
TRAINING_MODULE: Final = "training_module"
"""Index of the module that an epoch trains, if modules are trained one after the other."""
FROZEN_PARAMETER: Final = "frozen parameter"
"""Meaning of an array of checkpoints: a parameter that is not trained."""
DISPLACEMENT: Final = "displacement"
"""Distance of a member's parameters from initialization; missing in old runs."""
TRAINING_EXAMPLES: Final = "training_examples"
"""Attribute of a store: number of training examples; missing in old runs."""
OUTPUT_NAMES: Final = "output_names"
"""Attribute of a store: names of the classes or outputs; missing in old runs."""
RECORDED: Final = "recorded"
"""Setting of a run recorded from a user's training loop, and the name of its data."""
TEST_IS_VAL: Final = "test_is_val"
"""Setting of a recorded run whose split `TEST` holds the validation examples of the user's loop."""
LANE_SETTINGS = "lane_settings"
"""Attribute of the store: settings of lanes of a merged run that are not those of the run."""
FINGERPRINT: Final = "data_fingerprint"
"""Setting of a run: checksum of the data that it was trained on; missing in old runs."""
BEST_EPOCH: Final = "best_epoch"
LAM_AT: Final = "lam_at"
"""λ during an epoch, if it changes; `LAM` is then the final value of the schedule."""
LOGITS: Final = "logits"
TARGET: Final = "target"
SOURCE_INDEX: Final = "source_index"
"""Index of an example in the training or test part of its data set."""
START_FACTOR: Final = "start_factor"
"""Factor by which a member's initial weights and biases were multiplied."""
COUNT_OF_EXAMPLE: Final = "count"
"""Number of times a bagged member has drawn a training example."""

# Paths in a store.
BOOTSTRAP_COUNT: Final = f"{BOOTSTRAP}/{COUNT_OF_EXAMPLE}"
BOOTSTRAP_SOURCE: Final = f"{BOOTSTRAP}/{SOURCE_INDEX}"
START_FACTORS: Final = f"{MEMBERS}/{START_FACTOR}"

# Units.
NAT: Final = "nat"
FRACTION: Final = "1"
"""Dimensionless; fractions are 0 to 1, and percent is used only in text and figures."""
COUNT: Final = "count"
INDEX: Final = "index"


# How λ is written.
TYPED_DIGITS: Final = 12
"""Significant digits up to which a λ is taken to be typed by a person."""
COMPUTED_DIGITS: Final = 6
"""Significant digits of other λs, counted from 0 or from 1, whichever is nearer."""


def lam_text(lam: float) -> str:
    """Return a λ as it is written everywhere, such as "0.9" or "0.99999999".

    A λ that was typed is written with all its digits; one that was computed, such as 1/3, is
    rounded. A recipe refuses λs that are written alike, so they identify the lanes of a run.
    """
    lam = float(lam) + 0.0  # not a float32, which has more digits than were meant, and not −0
    typed = f"{lam:.{TYPED_DIGITS}g}"
    if float(typed) == lam or not 0 < lam < 1:
        return typed
    if lam < 0.5:
        return f"{lam:.{COMPUTED_DIGITS}g}"
    decimals = COMPUTED_DIGITS + math.floor(-math.log10(1 - lam))
    return f"{lam:.{decimals}f}".rstrip("0")
