"""The store: what a run keeps on disk, and how it is written and read.

`layout` defines the arrays, `lanes` the seals, `writer` writes a run and `run` reads it.
"""
