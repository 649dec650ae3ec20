"""The experiments that claims measure, one topic a file; each is a function from a seed to named numbers."""
