"""The early-warning rules on a whole run, and whether one member dominates at the end."""
