"""The built-in probes of jtdiag, one file each, registered as entry points."""
