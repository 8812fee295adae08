"""The engine: the only part that knows torch, and the only writer of runs."""
