"""What diversity is worth, whether it is collusion, and the bias-variance-diversity terms."""
