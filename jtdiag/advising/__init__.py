"""Which should it be? Search numbers of members × λ for the best use of a parameter budget.

`candidates` says what is compared, `training` trains it as ordinary runs, `screening` finds
contenders with Optuna, `racing` spends further trials on them, `evidence` weighs the errors, and
`advice` is the answer. Only validation errors decide; `asking.advise` puts it all together.
"""
