"""The oldest version allowed of everything that the library and its tests need, as constraints for pip.

Run: python tests/oldest_versions.py

It writes train/constraints-oldest.txt from the lower bounds in pyproject.toml; a test keeps the two in step.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "train" / "constraints-oldest.txt"
_REQUIREMENT = re.compile(r"([A-Za-z0-9_.-]+)(?:\[[\w,]+\])?>=([\w.]+)")


def lower_bounds() -> dict[str, str]:
    """Version by name, sorted by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = {}
    for requirement in (*project["dependencies"], *project["optional-dependencies"]["test"]):
        match = _REQUIREMENT.fullmatch(requirement)
        if match is None:
            raise ValueError(f"{requirement!r} must be a name and a lower bound, name>=version")
        found[match[1]] = match[2]
    return {name: found[name] for name in sorted(found, key=str.lower)}


def constraints() -> str:
    """The lines of the file."""
    return "".join(f"{name}=={version}\n" for name, version in lower_bounds().items())


if __name__ == "__main__":
    CONSTRAINTS.write_text(constraints(), encoding="utf-8")
