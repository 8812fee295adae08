"""Filters: first-layer weights of the members."""
