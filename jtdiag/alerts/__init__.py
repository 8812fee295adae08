"""Alerts: from the verdict of a rule to its findings, its record in the run, and its sinks."""
