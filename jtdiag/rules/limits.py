"""Limits of the built-in rules, each with its source.

"The study" is the page "How good is the early diagnosis?" of the manual: 952 lanes of small
multilayer perceptrons, with equal and unequal starts. "Chance level" is the error or loss of the
best constant prediction.
"""

EARLY_EPOCH = 3
"""First epoch after which rules about skill, diversity and distances fire.

Source: Webb et al. 2020, with Fig. 6: the outcome of end-to-end training is visible by epoch 3.
"""
LEAST_SKILL = 0.25
"""Smallest improvement of the ensemble over chance level, as a share of the chance-level error,
from which its members are compared with it.

Source: a convention. Predictions of networks with random weights cluster, so their errors vary
more than binomially: on digits, by up to 7 % of the chance-level error. Deep members that leave a
plateau at chance level one after the other are alike again once the ensemble has learned this much.
"""
LEAST_SKILL_SE = 4.0
"""The same in binomial standard errors of the ensemble's training error.

Source: a convention, so that the improvement is beyond its noise with few training examples too.
"""
LEARNED = 0.1
"""Improvement of the ensemble over chance level, as a share of the chance-level error, up to which
nothing was learned: nothing is concluded from such a lane.

Source: a convention, above the 7 % by which networks with random weights differ from chance level.
"""
LEARNED_SE = 2.0
"""The same in binomial standard errors of the ensemble's training error.

Source: a convention: about a 95 % interval.
"""
OVERFLOW = 1e6
"""Loss over the loss at chance level or before training, above which a lane has diverged.

Source: a convention. Losses of members that are trained end to end can be a thousand times as large
as that at chance level; float32 overflows in the next steps after a million times.
"""
MEDIAN_SKILL = 0.48
"""Smallest share of the ensemble's skill that the median member must have on the training set;
for dominance, the median of all members but the leaders.

Source: a previous version of the study, with equal starts. In the study, the limit that best
separates failed lanes from good ones at epoch 3 is 0.50, with a 95 % interval of 0.40 to 0.50.
"""
LEADER_SKILL = 0.75
"""Share of the ensemble's skill from which a member counts as a leader.

Source: the study's definition of a dominated lane. The limit that best separates dominated lanes
from codependent ones at epoch 3 is 0.78, with a 95 % interval of 0.61 to 0.99.
"""
IMPROVEMENT = 0.05
"""Decrease of the training error of the members that lack skill, in the last epoch and as a share
of the chance-level error, from which they are still learning and are not judged yet.

Source: a previous version of the study. On held-out lanes of the study, it lowers the rate of false
alarms for failed lanes after epoch 3 from 25 to 10 %, and the recall from 97 to 87 %.
"""
STAGNATION = 0.46
"""Smallest distance of a member from its initialization, over the median member's distance.

Source: a previous version of the study, with equal starts, in which at most one in twenty of the
good lanes that set the limit was below it.
"""
STAGNANT_SHARE = 0.1
"""Smallest fraction of the members that must stagnate.

Source: a convention; of many members, a few move little by chance.
"""
DIVERSITY = 0.73
"""Largest diversity (Eq. 5) on the training set, over the chance-level loss.

Source: a previous version of the study. In the study, the limit with at most 5 % false alarms among
the lanes that set it is 0.70.
"""
INCREASING_LOSS = 1.0
"""Training loss over the chance-level loss, above which the loss must not increase.

Source: by definition; above 1 the model is worse than one without skill.
"""
LOSS_INCREASE = 0.25
"""Smallest increase of the training loss over its lowest value so far, over the chance-level loss.

Source: a convention. The loss of deep members that have not learned anything yet varies around
chance level by less than 0.005, that of an unstable start by up to 0.1.
"""
TRAINING_ERROR = 0.01
"""Training error of the median member over the chance-level error, below which it counts as zero.

Source: a convention; no study has fitted this limit.
"""
DEAD_ROWS = 0.01
"""Share of the training examples for which a module of a member returns only zeros.

Source: a convention. In layers of ReLU with BatchNorm and 32 units or more there were at most
0.1 %; the rule's page has what was measured.
"""
STAGNANT_SE = 3.0
"""Additional errors of a module's local head over those of the module before it, in standard errors
that are too large rather than too small.

Source: 78 lanes of the rule's page whose modules work. In 77 of them it was at most 2.8 in every
epoch. With random layers, it was 3 to 5.6.
"""
SYNTHETIC_EPOCHS = 10
"""Epochs with synthetic gradients after which their predictions must explain something.

Source: a convention. With labels and the rates of the study credit-digits, R² of the first module
was below 0 in epochs 2 to 5 and above 0.1 at epoch 10.
"""
SYNTHETIC_R2 = 0.05
"""R² of synthetic gradients up to which they explain nothing.

Source: a convention. R² of synthesisers that hardly learn varied by up to 0.02 around 0.
"""
