"""Pipelines out of files: no number in them leads compiled code outside of the arrays that are there."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
from resealing import reseal

from nnstruct import Structure
from nnstruct.errors import CorruptFileError
from nnstruct.predictors import AdaBoost, BayesianRidge, HistGradientBoosting, RandomForest, load_predictor
from nnstruct.predictors.persistence import ESTIMATOR
from nnstruct.predictors.pipeline_checks import check_pipeline

STRUCTURES = [Structure.from_layers([2, width, 2]) for width in range(1, 25)]
LABELS = [float(structure.num_units) for structure in STRUCTURES]


def made(kind, **options):
    return kind(families=["paper"], **options).fit(STRUCTURES, LABELS)


@pytest.fixture(scope="module")
def forest():
    return made(RandomForest, n_estimators=2)


@pytest.fixture(scope="module")
def boosted():
    return made(HistGradientBoosting, members=2, max_iter=3, min_samples_leaf=2)


def altered(folder, *, array=lambda name, value: value, schema=lambda text: text):
    """Change what a saved pipeline holds, and make its checksums right again."""
    out = io.BytesIO()
    with zipfile.ZipFile(folder / ESTIMATOR) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".npy"):
                buffer = io.BytesIO()
                np.save(buffer, array(name, np.load(io.BytesIO(content))))
                content = buffer.getvalue()
            elif name == "schema.json":
                content = schema(content.decode()).encode()
            target.writestr(name, content)
    (folder / ESTIMATOR).write_bytes(out.getvalue())
    reseal(folder)
    return folder


def nodes(change):
    """What changes every array of nodes."""

    def changed(_, value):
        if value.dtype.names:
            value = value.copy()
            change(value)
        return value

    return changed


def told(field, number):
    """What changes a number that stands in the schema, of every tree."""

    def changed(text):
        schema = json.loads(text)
        waiting = [schema]
        while waiting:
            node = waiting.pop()
            if isinstance(node, dict):
                if node.get("__loader__") == "TreeNode":
                    args = node["__reduce__"]["args"]["content"]
                    part = {"n_features": args[0], "n_outputs": args[2]}.get(field)
                    part = part or node["content"]["content"][field]
                    part |= {"content": str(number), "__id__": 10**9}
                waiting.extend(node.values())
            elif isinstance(node, list):
                waiting.extend(node)
        return json.dumps(schema)

    return changed


def put(field, value, inner_only=True):
    def change(array):
        name = "is_leaf" if "is_leaf" in array.dtype.names else "left_child"
        inner = array[name] == 0 if name == "is_leaf" else array[name] >= 0
        array[field] = np.where(inner, value, array[field]) if inner_only else value

    return nodes(change)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": told("node_count", 10**6)},
        {"schema": told("node_count", 0)},
        {"schema": told("n_features", 10**6)},
        {"schema": told("n_outputs", 10**6)},
        {"array": put("feature", 10**6)},
        {"array": put("feature", -7)},
        {"array": put("left_child", 0)},
        {"array": put("right_child", 10**6)},
        {"array": lambda _, value: value[:0] if value.dtype.names else value},
        {"array": lambda _, value: value[:1] if value.shape[1:] == (1, 1) else value},
    ],
)  # fmt: skip
def test_a_forest_is_refused_where_an_index_leads_outside(forest, tmp_path, change):
    folder = altered(forest.save(tmp_path / "forest"), **change)
    with pytest.raises(CorruptFileError, match=r"estimator\.skops"):
        load_predictor(folder)


@pytest.mark.parametrize(
    "change",
    [
        put("feature_idx", 10**6),
        put("left", 2**31),
        put("right", 0),
        nodes(lambda array: (array["is_categorical"].fill(1), array["bitset_idx"].fill(2**31))),
        lambda _, value: value[:0] if value.dtype.names else value,
        lambda _, value: value[:1] if value.dtype.names else value,
    ],
)
def test_a_boosted_model_is_refused_where_an_index_leads_outside(boosted, tmp_path, change):
    folder = altered(boosted.save(tmp_path / "boosted"), array=change)
    with pytest.raises(CorruptFileError, match=r"estimator\.skops"):
        load_predictor(folder)


def test_pipelines_that_nothing_was_changed_in_are_read(forest, boosted, tmp_path):
    for number, model in enumerate((forest, boosted, made(AdaBoost, n_estimators=3), made(BayesianRidge))):
        again = load_predictor(altered(model.save(tmp_path / str(number))))
        np.testing.assert_array_equal(again.predict(STRUCTURES), model.predict(STRUCTURES))


def test_arrays_that_do_not_fit_each_other_are_found_before_the_first_question(tmp_path):
    model = made(BayesianRidge)
    cut = altered(model.save(tmp_path / "cut"), array=lambda _, v: v[:-1] if v.ndim == 2 else v)
    with pytest.raises(CorruptFileError, match=r"cut is not a whole predictor: ValueError"):
        load_predictor(cut)
    nan = altered(model.save(tmp_path / "nan"), array=lambda _, v: v * np.nan if v.dtype.kind == "f" else v)
    with pytest.raises(CorruptFileError):
        load_predictor(nan)


def test_an_array_larger_than_its_file_is_refused_before_it_is_made(forest, tmp_path):
    folder = forest.save(tmp_path / "forest")
    out = io.BytesIO()
    with zipfile.ZipFile(folder / ESTIMATOR) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".npy"):
                content = content.replace(b"(1,)", b"(2000000000,)".ljust(4), 1)[: len(content)]
            target.writestr(name, content)
    (folder / ESTIMATOR).write_bytes(out.getvalue())
    reseal(folder)
    with pytest.raises(CorruptFileError, match="estimator"):
        load_predictor(folder)


def test_the_ends_of_columns_are_whole_or_not_there() -> None:
    pipeline = made(BayesianRidge).pipeline_
    table = pipeline[0]
    check_pipeline(pipeline)
    low, high = table.low_, table.high_
    wrong = [(low[:-1], high), (None, high), (low, high.astype(np.float32)), ("a", "b")]
    for table.low_, table.high_ in wrong:
        with pytest.raises(ValueError, match="does not know the ends"):
            check_pipeline(pipeline)
    table.low_ = table.high_ = None  # as older versions saved it
    check_pipeline(pipeline)
