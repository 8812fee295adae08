"""Recipes: what to train, as frozen data without torch.

`recipe` has the Recipe class, whose sections are in `sections`, `members`, `objective` and
`alerts`. `toml` reads and writes recipes; `presets` and `studies` find them by name; `budget`
designs them for a number of parameters.
"""
