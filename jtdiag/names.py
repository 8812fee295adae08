"""Every dimension, variable and unit, spelled once.

A typing error becomes an ``AttributeError`` at once instead of an empty plot later.
"""

from typing import Final

# Dimensions of a store, in their order.
LAM: Final = "lam"
"""Weight of the ensemble's loss, λ of Eq. 4, in [0, 1]."""
TRIAL: Final = "trial"
"""The run of a recipe at one seed; error bars are over trials."""
EPOCH: Final = "epoch"
"""Passes over the training split so far; 0 is before training."""
SPLIT: Final = "split"
MEMBER: Final = "member"
EXAMPLE: Final = "example"
OUTPUT: Final = "output"
"""Index k of the K outputs; for classes, the class."""
PARAMETER: Final = "parameter"
"""A parameter of a member by its name, such as ``layer1.weight``; in results only."""

# Dimensions of results.
DROPPED: Final = "dropped"
"""Members that are missing from the ensemble, 0 to M−1."""
KEPT: Final = "kept"
"""Members that are asked, 1 to M."""
FAULTY: Final = "faulty"
"""Members that have a fault, 0 to M."""
MEMBER_OUTPUT: Final = "member_output"
"""Index of a member's output where `OUTPUT` is that of what is made of them."""

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

# Variables of a store.
MEMBER_LOSS: Final = "member_loss"
MEMBER_ERROR: Final = "member_error"
ENSEMBLE_LOSS: Final = "ensemble_loss"
ENSEMBLE_ERROR: Final = "ensemble_error"
METRIC_VARIABLES: Final = (MEMBER_LOSS, MEMBER_ERROR, ENSEMBLE_LOSS, ENSEMBLE_ERROR)
DISPLACEMENT: Final = "displacement"
"""Distance of a member's parameters from epoch 0; runs older than it do not have it."""
RECORDED: Final = "recorded"
"""Setting of a run that was recorded from somebody's loop, and the name of its data."""
BEST_EPOCH: Final = "best_epoch"
LAM_AT: Final = "lam_at"
"""λ of an epoch where a schedule moves it; `LAM` is where it arrives."""
LOGITS: Final = "logits"
TARGET: Final = "target"
SOURCE_INDEX: Final = "source_index"
"""Position of an example in the data set's own training or test part."""
COUNT_OF_EXAMPLE: Final = "count"
"""How often a bagged member has drawn a training example."""

# Paths in a store.
BOOTSTRAP_COUNT: Final = f"{BOOTSTRAP}/{COUNT_OF_EXAMPLE}"
BOOTSTRAP_SOURCE: Final = f"{BOOTSTRAP}/{SOURCE_INDEX}"

# Units.
NAT: Final = "nat"
FRACTION: Final = "1"
"""A plain fraction, 0 to 1; percent appears on figures only."""
COUNT: Final = "count"
INDEX: Final = "index"
