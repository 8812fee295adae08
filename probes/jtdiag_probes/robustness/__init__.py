"""How many members may fail: removal, faults, bit flips and Shapley values."""
