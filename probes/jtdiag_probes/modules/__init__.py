"""Which modules of the members carry the network."""
