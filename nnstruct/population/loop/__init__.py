"""What the compiled loops of numba and of C++ share: the plans of a network and its named state."""
