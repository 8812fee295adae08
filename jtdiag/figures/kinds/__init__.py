"""The built-in figures, one file each, registered as entry points of the group jtdiag.figures."""
