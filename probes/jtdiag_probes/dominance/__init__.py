"""Does one member dominate, and how early does it show?"""
