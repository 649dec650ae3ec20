"""Networks of other libraries and packages; the tables are remade by the two scripts beside this file."""

from __future__ import annotations

import importlib.util

import module_zoo
import onnx_packages
import pytest


@pytest.mark.study
@pytest.mark.parametrize("library", list(module_zoo.LIBRARIES))
def test_modules_of_a_library(library: str) -> None:
    if importlib.util.find_spec(module_zoo.LIBRARIES[library]) is None:
        pytest.skip(f"{library} is not installed")
    kinds = module_zoo.main([library])[library]
    assert not kinds["wrong"]
    assert kinds["right"] >= 0.75 * (kinds.total() - kinds["unknown"])


@pytest.mark.study
def test_files_of_installed_packages() -> None:
    if importlib.util.find_spec("onnxruntime") is None:
        pytest.skip("onnxruntime is not installed, which says what is right")
    kinds = onnx_packages.main([])
    if not kinds:
        pytest.skip("no installed package holds an ONNX file")
    assert not kinds["wrong"]
    assert not kinds["crash"]
