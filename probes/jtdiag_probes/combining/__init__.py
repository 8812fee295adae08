"""Different ways to combine the same members: averaging, voting, a trained combiner."""
