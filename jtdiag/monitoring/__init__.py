"""What the monitor is made of: which batches count, what they add up to, and where it is kept."""
