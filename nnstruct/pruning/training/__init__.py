"""Training a masked module: in PyTorch, or in the compiled loops where they serve it."""
