"""How similar the representations of layers, members and epochs are."""
