"""Runs whose files are objects in an object store, and their copies on this machine.

What the store understands is in `object_folder`; `mirror` keeps a copy of what was read on this
machine, so that everything else reads files.
"""
