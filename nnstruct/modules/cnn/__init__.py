"""Convolutional networks of cells or of single channels, as PyTorch modules."""
