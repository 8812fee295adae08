"""Recipes: everything that decides the outcome of a run, as data without torch."""
