"""How many labels a new head on the members' features needs."""
