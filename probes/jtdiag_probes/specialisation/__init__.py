"""Specialization: which members carry which modes of the ensemble's outputs."""
