"""Comparison of two runs: the fields of their recipes, and their results with intervals."""
