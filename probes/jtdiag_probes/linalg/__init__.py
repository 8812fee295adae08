"""Linear algebra of large symmetric matrices that are known only by their products."""
