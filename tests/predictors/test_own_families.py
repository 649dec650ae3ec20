"""Property families of a user's own in saved predictors: found by import path, and only where trusted."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from nnstruct import Structure
from nnstruct.errors import CorruptFileError, InvalidInputError
from nnstruct.predictors import BayesianRidge, load_predictor
from nnstruct.predictors.own_families import own_families, require_families

MODULE = """
import numpy as np
from nnstruct.properties import PROPERTY_FAMILIES, PropertyFamily

print("own code runs")

def squares(structures):
    return np.array([[s.num_units**2.0] for s in structures])

PROPERTY_FAMILIES.register("squares")(PropertyFamily(
    name="squares", measures={"units": "units squared"}, source="own", compute=squares, cost="linear"))
"""
NETS = "nets = [ns.Structure.from_layers([2, width, 2]) for width in range(1, 13)]"
SAVE = f"""
import nnstruct as ns, own_measures
{NETS}
model = ns.predictors.BayesianRidge(families=["squares"]).fit(nets, [n.num_units**2.0 for n in nets])
model.save("saved")
print(model.predict(nets[:2]).tolist())
"""
LOAD = f"""
import sys
import nnstruct as ns
from nnstruct.errors import InvalidInputError
{NETS}
try:
    ns.load_predictor("saved")
except InvalidInputError as error:
    print(error)
print("own_measures" in sys.modules)
print(ns.load_predictor("saved", trusted=["own_measures:squares"]).predict(nets[:2]).tolist())
print(ns.load_predictor("saved").predict(nets[:2]).tolist())
"""


def run(script, folder):
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_a_new_process_finds_a_family_where_it_is_trusted(tmp_path):
    (tmp_path / "own_measures.py").write_text(MODULE)
    said, predicted = run(SAVE, tmp_path)
    assert said == "own code runs"
    kept = json.loads((tmp_path / "saved" / "predictor.json").read_text())["own_families"]
    assert kept == {"squares": {"path": "own_measures:squares", "measures": ["units"]}}
    refused, imported, ran, first, second = run(LOAD, tmp_path)
    assert refused == (
        "saved/predictor.json: the property family 'squares' must be registered before the predictor is "
        "loaded, got 'own_measures:squares'. Import what registers it, or pass "
        "trusted=['own_measures:squares'] to have own_measures imported, which runs it."
    )
    assert imported == "False"
    assert ran == "own code runs"
    assert first == second == predicted


def test_families_of_nnstruct_are_not_named(tmp_path):
    nets = [Structure.from_layers([2, width, 2]) for width in range(1, 9)]
    model = BayesianRidge(families=["paper", "layered"]).fit(nets, [float(n.num_units) for n in nets])
    assert own_families(model) == {}
    folder = model.save(tmp_path / "model")
    assert "own_families" not in json.loads((folder / "predictor.json").read_text())
    with pytest.raises(InvalidInputError, match="trusted must be a sequence of names"):
        load_predictor(folder, trusted="own_measures")


NOWHERE = "does not say where the property family"


@pytest.mark.parametrize(
    ("told", "trusted", "error", "message"),
    [
        ({"path": "no_such_module:f", "measures": ["a"]}, ["no_such_module"], InvalidInputError,
         "must be importable, got 'no_such_module:f'. No module named"),
        ({"path": "json:loads", "measures": ["a"]}, ["json:loads"], InvalidInputError, "must be registered"),
        ({"path": "os", "measures": ["a"]}, ["os"], CorruptFileError, NOWHERE),
        ({"path": "json:loads"}, [], CorruptFileError, NOWHERE),
    ],
)  # fmt: skip
def test_what_cannot_be_found(told, trusted, error, message):
    with pytest.raises(error) as caught:
        require_families({"mine": told}, trusted, "predictor.json")
    assert message in str(caught.value)


def test_other_measures_than_those_saved_are_refused():
    with pytest.raises(InvalidInputError, match="must have the measures with which the predictor was"):
        require_families({"paper": {"path": "mine:f", "measures": ["a"]}}, [], "predictor.json")
