"""setuptools' build backend, whose source archives hold what ``.ci/sdist.in`` lists beside the package.

setuptools reads that list from ``MANIFEST.in`` at the top level alone.
"""

import shutil
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403


def build_sdist(sdist_directory, config_settings=None):
    """As setuptools does, with the list where it looks for it."""
    listed = Path("MANIFEST.in")
    shutil.copyfile(Path(".ci") / "sdist.in", listed)
    try:
        return build_meta.build_sdist(sdist_directory, config_settings)
    finally:
        listed.unlink()
