"""What is diversity worth, and is it real: decomposition, collusion, bias and variance."""
