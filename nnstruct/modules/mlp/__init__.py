"""Perceptrons on directed acyclic graphs, as PyTorch modules."""
