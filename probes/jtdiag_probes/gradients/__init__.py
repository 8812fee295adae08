"""Gradients: common and member-specific parts of the joint loss's gradient."""
