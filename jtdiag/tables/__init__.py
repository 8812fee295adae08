"""Tables of results for terminals and papers."""
