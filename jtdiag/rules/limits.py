"""Limits of the built-in rules, each with its source.

"The study" is the page "How good is the early diagnosis?" of the manual: 540 lanes of small
multilayer perceptrons. "Chance level" is the error or loss of a model without skill.
"""

EARLY_EPOCH = 3
"""First epoch after which rules about skill, diversity and distances fire.

Source: Webb et al. 2020, with Fig. 6: the outcome of end-to-end training is visible by epoch 3.
"""
MEDIAN_SKILL = 0.48
"""Smallest share of the ensemble's skill that the median member must have on the training set.

Source: the study; the limit that best separates failed lanes from good ones at epoch 3.
"""
LEADER_SKILL = 0.75
"""Share of the ensemble's skill from which the best member counts as dominant.

Source: the study's definition of a dominated lane. Only two lanes were dominated, too few to fit
this limit.
"""
STAGNATION = 0.46
"""Smallest distance of a member from its initialization, over the median member's distance.

Source: the study; at most one in twenty of the good lanes that set the limit is below it.
"""
DIVERSITY = 0.73
"""Largest diversity (Eq. 5) on the training set, over the chance-level loss.

Source: the study; the limit that best separates failed lanes from good ones at epoch 3.
"""
INCREASING_LOSS = 1.0
"""Training loss over the chance-level loss, above which the loss must not increase.

Source: by definition; above 1 the model is worse than one without skill.
"""
TRAINING_ERROR = 0.01
"""Training error of the median member over the chance-level error, below which it counts as zero.

Source: a convention; no study has fitted this limit.
"""
