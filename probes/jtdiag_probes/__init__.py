"""The probes that come with jtdiag: one file, one question. They enter by entry points."""
