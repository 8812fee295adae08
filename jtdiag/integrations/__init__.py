"""The monitor in training libraries: one adapter for each library."""
