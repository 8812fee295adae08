"""Where alerts go: a command, a webhook, trackers of experiments, and a run's own file."""
