"""Probing: what a probe is, how probes are found and run, and what they write."""
