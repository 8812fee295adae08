"""Calibration: how well confidence matches accuracy."""
