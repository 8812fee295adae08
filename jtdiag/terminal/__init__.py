"""What the commands print: progress, findings, tables, and the screen of `jtdiag watch`."""
