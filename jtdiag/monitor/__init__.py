"""The early warning in training loops that jtdiag does not run."""
