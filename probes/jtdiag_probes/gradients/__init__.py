"""Do the gradients of members agree?"""
