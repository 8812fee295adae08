"""Training a member module by module: where it is cut, and how modules are told what to change.

One way of telling them is a *credit*, found by name as an entry point of ``jtdiag.credits``. Shape
suffixes: L lanes, M members, K outputs, B examples of a batch, D features.
"""
