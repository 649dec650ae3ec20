"""The CPU engine: one fused forward-backward-Adam loop for each network, compiled by numba."""
