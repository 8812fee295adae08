"""The run store: what is on disk, how the engine writes it and how everyone else reads it."""
