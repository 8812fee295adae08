"""Which first-layer filters are in use?"""
