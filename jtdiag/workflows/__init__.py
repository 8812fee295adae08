"""Workflows that combine training, probing and plotting: studies, the demo, live figures."""
