"""The GPU engine: whole populations in padded, masked batched matrix products; it runs on the CPU too."""
