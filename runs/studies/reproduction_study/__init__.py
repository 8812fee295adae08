"""Which claims of Webb et al. (2020) hold here? From the runs of the study `paper` to a page.

- `collecting`: writes what the page needs of each lane as a row of a table.
- `lanes`: reads the tables.
- `claims`: what is claimed, and the judgment of each claim by an interval.
- `report`, `drawing`: the judgments as Markdown, and the paper's figures.
"""
