"""Saved tables and forests are read by numpy alone, and say what they say with scikit-learn."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from nnstruct.errors import CorruptFileError
from nnstruct.predictors import PREDICTORS, RandomForest, load_predictor
from nnstruct.predictors.estimator_file import dump_estimator
from nnstruct.predictors.homes import HOMES, LIGHT
from nnstruct.predictors.plain_reading import read_plain
from nnstruct.structure import Structure
from nnstruct.structure.structure_files import save_structures

STRUCTURES = [Structure.from_layers([2, width, height, 2]) for width in range(1, 7) for height in range(1, 5)]
LABELS = np.array(
    [0.5 + 0.01 * structure.num_edges + 0.003 * structure.num_units for structure in STRUCTURES]
)
HEAVY = ("sklearn", "skops", "pandas", "torch", "networkx", "scipy.stats", "scipy.optimize", "scipy.sparse")
ASKED = """
import json, sys
import nnstruct.estimators as estimators
estimators.own_process()
estimators.ask_only()
import nnstruct as ns
folder, names = sys.argv[1], sys.argv[2].split(",")
said = {}
for name in names:
    model = ns.load_predictor(f"{folder}/{name}")
    structures = ns.load_structures(f"{folder}/nets.parquet")
    mean, std = model.predict(structures, return_std=True)
    said[name] = [mean.tolist(), std.tolist(), model.outside(structures)]
print(json.dumps([said, [name for name in sys.argv[3].split(",") if name in sys.modules]]))
"""


@pytest.fixture(scope="module")
def forest():
    return RandomForest(n_estimators=12, random_state=3).fit(STRUCTURES, LABELS)


def test_what_is_light_says_the_same_without_the_heavy_packages(tmp_path):
    small = {"random-forest": {"n_estimators": 20}, "extra-trees": {"n_estimators": 20}}
    models = {name: PREDICTORS[name](**small.get(name, {})).fit(STRUCTURES, LABELS) for name in sorted(LIGHT)}
    for name, model in models.items():
        model.save(tmp_path / name)
    save_structures(STRUCTURES, tmp_path / "nets.parquet")
    words = [sys.executable, "-W", "ignore", "-c", ASKED, str(tmp_path), ",".join(models), ",".join(HEAVY)]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    said, loaded = json.loads(run.stdout)
    assert loaded == []
    for name, model in models.items():
        mean, std = load_predictor(tmp_path / name).predict(STRUCTURES, return_std=True)
        assert said[name] == [mean.tolist(), std.tolist(), model.outside(STRUCTURES)], name


def test_a_forest_is_that_of_scikit_learn(forest):
    steps = read_plain(dump_estimator(forest.pipeline_), "a file", forests=True)
    assert steps is not None
    table, trees = steps
    columns = forest.pipeline_[0].transform(STRUCTURES)
    np.testing.assert_array_equal(table.transform(STRUCTURES), columns)
    mean, variance = trees.predict(columns)
    single = np.stack([member.predict(columns) for member in forest.pipeline_[-1].estimators_])
    np.testing.assert_array_equal(mean, forest.pipeline_[-1].predict(columns))
    np.testing.assert_allclose(variance, single.var(axis=0), rtol=1e-12, atol=1e-15)


def test_a_forest_is_left_to_skops_where_it_is_not_asked_for(forest):
    assert read_plain(dump_estimator(forest.pipeline_), "a file", forests=False) is None
    boosted = PREDICTORS["hist-gradient-boosting"]().fit(STRUCTURES, LABELS)
    assert read_plain(dump_estimator(boosted.pipeline_), "a file", forests=True) is None


def with_nodes(data: bytes, change) -> bytes:
    """A skops file whose arrays of nodes are changed."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(made, "w") as after:
        for name in before.namelist():
            held = before.read(name)
            if name.endswith(".npy") and b"left_child" in held[:200]:
                nodes = np.load(io.BytesIO(held))
                change(nodes)
                file = io.BytesIO()
                np.save(file, nodes)
                held = file.getvalue()
            after.writestr(name, held)
    return made.getvalue()


@pytest.mark.parametrize(("field", "value"), [("left_child", 10**6), ("right_child", 0), ("feature", 10**6)])
def test_a_tree_whose_links_lead_outside_is_refused(forest, field, value):
    def change(nodes):
        nodes[field][0] = value

    with pytest.raises(CorruptFileError, match="links lead outside"):
        read_plain(with_nodes(dump_estimator(forest.pipeline_), change), "a file", forests=True)


def test_every_home_registers_its_name():
    assert set(HOMES) <= set(PREDICTORS)
    assert all(PREDICTORS[name].__module__ == module for name, module in HOMES.items())
    assert set(HOMES) >= LIGHT
