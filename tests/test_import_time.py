"""``import nnstruct`` loads nothing heavy, and all that it offers is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

import nnstruct

HEAVY = (
    "torch", "sklearn", "matplotlib", "networkx", "pandas", "pyarrow", "optuna", "lightning", "numba",
    "torch_geometric", "scipy", "skops", "rustworkx", "typer",
)  # fmt: skip


def loaded_after(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after running some code."""
    report = f"import sys\n{code}\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_the_import_loads_nothing_heavy() -> None:
    assert loaded_after("import nnstruct") == set()


def test_structures_need_nothing_heavy() -> None:
    code = (
        "import nnstruct as ns\n"
        "s = ns.Structure.from_layers([3, 4, 2], family='lstm')\n"
        "s.relabel(list(range(9))[::-1]).fingerprint\n"
        "ns.Space('lstm', units=(2, 9)).contains(s)"
    )
    assert loaded_after(code) == set()


def test_the_lessons_of_a_graph_network_need_no_ensemble_loaded_before() -> None:
    code = "from nnstruct.predictors.gnn.teacher import lessons"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_the_check_sees_what_is_loaded() -> None:
    assert "networkx" in loaded_after("import networkx")


@pytest.mark.parametrize("name", nnstruct.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(nnstruct, name) is not None
    assert name in dir(nnstruct)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'nnstruct' has no attribute 'serach'"):
        nnstruct.serach  # noqa: B018
