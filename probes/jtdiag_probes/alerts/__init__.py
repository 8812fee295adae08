"""The early-warning rules on a run, and whether one member dominates at the end."""
