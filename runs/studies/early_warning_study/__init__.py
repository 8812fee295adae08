"""How good is the early diagnosis? Many small runs, and how well a rule predicted their outcome.

- `grid`: which ensembles are trained.
- `training`: trains them, and keeps a row of numbers for each lane.
- `lanes`: reads the rows; what counts as failed, fixed before any lane was looked at.
- `roc`: curves, areas and limits: arithmetic on scores.
- `questions`: the study's questions, each answered with its interval.
- `report`, `drawing`: the answers as Markdown and as a figure.
"""
