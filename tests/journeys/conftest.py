"""The journeys are scripts, which their test runs; nothing is to be collected from them."""

collect_ignore = ["own_parts.py", "published_table.py", "structure_study.py", "trained_modules.py"]
