"""Which features a new head does best on, and which scores would have told without training it."""
