"""Recurrent networks as PyTorch modules: the clean protocol, and that of the 2021 paper."""
