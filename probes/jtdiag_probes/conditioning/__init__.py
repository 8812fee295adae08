"""Conditioning: curvature of the joint loss with respect to outputs and weights."""
