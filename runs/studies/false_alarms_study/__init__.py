"""How often do the early-warning rules fire where nothing is wrong? A zoo of healthy lanes.

- `zoo`: which lanes are trained, and why nothing is wrong with them.
- `data`: their synthetic data sets.
- `training`: trains them, and makes a row of each lane.
- `counts`: false alarms of each rule, with exact intervals.
- `report`: the counts as Markdown.
"""
