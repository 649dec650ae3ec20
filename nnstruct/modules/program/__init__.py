"""Extracted networks as modules that run their program step by step."""
