"""Robustness: accuracy of an ensemble with missing or faulty members."""
