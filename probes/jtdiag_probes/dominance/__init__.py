"""Whether one member dominates the ensemble, and how early that can be detected."""
