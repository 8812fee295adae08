"""How good are the ensemble and its members, and what does capacity change?"""
