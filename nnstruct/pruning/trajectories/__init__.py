"""Pruning step by step: schedules, the scores at each density, grids, files, plots."""
