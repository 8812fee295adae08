"""Arithmetic and reading that probes of several rooms share."""
