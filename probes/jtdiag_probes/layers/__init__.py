"""What each layer of the members knows."""
