"""Saved predictors: the same after load, and a clear sentence for every damage."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import skops.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from resealing import reseal
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from nnstruct.errors import CorruptFileError, InvalidInputError, NotFittedError, UnknownNameError
from nnstruct.predictors import PREDICTORS, Mean, load_predictor, persistence, save

every_predictor = pytest.mark.parametrize("name", list(PREDICTORS))


@pytest.fixture
def saved(fitted, tmp_path):
    def get(name: str) -> Path:
        return fitted(name).save(tmp_path / name)

    return get


def redescribe(folder: Path, change) -> None:
    path = folder / persistence.DESCRIPTION
    description = json.loads(path.read_text())
    change(description)
    path.write_text(json.dumps(description))
    reseal(folder)


@every_predictor
def test_predictions_after_load_equal_those_before(name, fitted, saved, unseen):
    before = fitted(name)
    after = load_predictor(saved(name))
    assert type(after) is type(before)
    assert after.get_params() == before.get_params()
    tolerance = 1e-7 if name == "gnn" else 0.0
    for ours, theirs in zip(
        before.predict(unseen, return_std=True), after.predict(unseen, return_std=True), strict=True
    ):
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=tolerance)
    assert after.training_digest_ == before.training_digest_
    assert after.num_structures_ == before.num_structures_


@every_predictor
def test_a_loaded_predictor_can_be_saved_again(name, saved, tmp_path, unseen):
    once = load_predictor(saved(name))
    twice = load_predictor(once.save(tmp_path / "again"))
    np.testing.assert_array_equal(once.predict(unseen), twice.predict(unseen))


@every_predictor
def test_no_pickle_is_in_the_folder_and_no_staging_folder_is_left(name, saved, tmp_path):
    folder = saved(name)
    assert {p.name for p in folder.iterdir() if p.suffix != ".md"} <= {
        "manifest.json", "predictor.json", "weights.safetensors", "estimator.skops", "README.md",
    }  # fmt: skip
    assert [p.name for p in tmp_path.iterdir()] == [name]


@every_predictor
@settings(
    max_examples=8, derandomize=True, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(data=st.data())
def test_a_flipped_bit_anywhere_is_found(name, fitted, tmp_path_factory, data):
    folder = fitted(name).save(tmp_path_factory.mktemp("flip") / "model")
    path = folder / data.draw(st.sampled_from(sorted(p.name for p in folder.iterdir() if p.suffix != ".md")))
    content = bytearray(path.read_bytes())
    # As a share: the length of a skops file differs from one writing to the next.
    place = int(data.draw(st.floats(0, 1, exclude_max=True)) * 8 * len(content))
    content[place // 8] ^= 1 << (place % 8)
    path.write_bytes(content)
    with pytest.raises((CorruptFileError, InvalidInputError)):
        load_predictor(folder)


@every_predictor
def test_a_truncated_file_is_found(name, saved):
    folder = saved(name)
    for path in sorted(p for p in folder.iterdir() if p.suffix != ".md"):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(CorruptFileError, match=path.name if path.name != "manifest.json" else "not JSON"):
            load_predictor(folder)
        path.write_bytes(content)
    load_predictor(folder)


@every_predictor
def test_a_missing_file_is_named(name, saved):
    folder = saved(name)
    for path in sorted(p for p in folder.iterdir() if p.suffix != ".md"):
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(CorruptFileError, match=rf"{path.name} is missing"):
            load_predictor(folder)
        path.write_bytes(content)


def test_a_pickle_given_as_a_model_is_never_read(tmp_path, fitted):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InvalidInputError, match=r"It is a file; pickle and joblib files are never read"):
        load_predictor(path)
    folder = fitted("random-forest").save(tmp_path / "model")
    (folder / "estimator.skops").write_bytes(path.read_bytes())
    with pytest.raises(CorruptFileError, match=r"estimator\.skops has"):
        load_predictor(folder)
    reseal(folder)
    with pytest.raises(CorruptFileError, match=r"is not a skops file\. Pickle and joblib files are never"):
        load_predictor(folder)
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_in_place_of_the_weights_is_never_read(tmp_path, fitted):
    folder = fitted("gnn").save(tmp_path / "model")
    (folder / "weights.safetensors").write_bytes(pickle.dumps({"a": 1}))
    reseal(folder)
    with pytest.raises(CorruptFileError, match="is not a safetensors file"):
        load_predictor(folder)


def test_types_outside_of_the_list_are_refused_whatever_the_file_says(tmp_path, fitted):
    folder = fitted("bayesian-ridge").save(tmp_path / "model")
    for stranger, found in (
        (make_pipeline(LogisticRegression()), "LogisticRegression"),
        ({"estimator": zipfile.ZipFile}, "zipfile"),
        (np.add, "add"),
    ):
        (folder / "estimator.skops").write_bytes(skops.io.dumps(stranger))
        reseal(folder)
        with pytest.raises(CorruptFileError, match=rf"holds .*{found}.*which no predictor contains"):
            load_predictor(folder)


def test_an_allowed_object_that_is_no_pipeline_is_refused(tmp_path, fitted):
    folder = fitted("bayesian-ridge").save(tmp_path / "model")
    (folder / "estimator.skops").write_bytes(skops.io.dumps({"a": ["b"]}))
    reseal(folder)
    with pytest.raises(CorruptFileError, match="it is a dict, not a Pipeline"):
        load_predictor(folder)


@pytest.mark.parametrize("name", ["random-forest", "hist-gradient-boosting"])
def test_trees_whose_links_lead_outside_are_refused(name, tmp_path, fitted):
    folder = fitted(name).save(tmp_path / "model")
    path = folder / "estimator.skops"
    altered = io.BytesIO()
    changed = 0
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(altered, "w") as target:
        for member in source.namelist():
            content = source.read(member)
            if member.endswith(".npy"):
                array = np.load(io.BytesIO(content), allow_pickle=False)
                side = next((n for n in ("left_child", "left") if n in (array.dtype.names or ())), None)
                if side and len(array) > 1 and not changed:
                    array[side][0] = 10_000
                    changed += 1
                    buffer = io.BytesIO()
                    np.save(buffer, array)
                    content = buffer.getvalue()
            target.writestr(member, content)
    assert changed
    path.write_bytes(altered.getvalue())
    reseal(folder)
    with pytest.raises(CorruptFileError, match="links lead outside"):
        load_predictor(folder)


def test_unknown_classes_parameters_and_states_are_named(tmp_path, fitted):
    folder = fitted("mean").save(tmp_path / "model")
    redescribe(folder, lambda d: d.update(predictor="os.system"))
    with pytest.raises(UnknownNameError, match=r"predictor must be one of .*, got 'os\.system'"):
        load_predictor(folder)
    redescribe(folder, lambda d: d.update(predictor="mean", params={"depth": 3}))
    with pytest.raises(CorruptFileError, match=r"is not the description of a predictor.*depth"):
        load_predictor(folder)
    redescribe(folder, lambda d: d.update(params={}, state={}))
    with pytest.raises(CorruptFileError, match="is not a whole mean"):
        load_predictor(folder)
    redescribe(folder, lambda d: d.pop("fitted"))
    with pytest.raises(CorruptFileError, match="is not the description of a predictor"):
        load_predictor(folder)


def test_network_weights_that_do_not_fit_are_refused(tmp_path, fitted):
    folder = fitted("gnn").save(tmp_path / "model")
    path = folder / "weights.safetensors"
    weights = safetensors.numpy.load(path.read_bytes())
    whole = dict(weights)
    weights.pop("net.embed")
    path.write_bytes(safetensors.numpy.save(weights))
    reseal(folder)
    with pytest.raises(CorruptFileError, match=r"is not a whole gnn.*embed"):
        load_predictor(folder)
    path.write_bytes(safetensors.numpy.save(whole | {"encoder.node_mean": np.zeros(3, np.float32)}))
    reseal(folder)
    with pytest.raises((CorruptFileError, InvalidInputError), match="node_mean"):
        load_predictor(folder)


def test_manifests_that_name_other_files_are_refused(tmp_path, fitted):
    folder = fitted("mean").save(tmp_path / "model")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["../secret"] = {"bytes": 0, "sha256": ""}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CorruptFileError, match="is not the manifest of a predictor"):
        load_predictor(folder)
    manifest["format"] = 99
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidInputError, match=r"format must be at most 1, got 99\. Update nnstruct"):
        load_predictor(folder)


def test_paths_that_are_no_saved_predictor_are_named(tmp_path):
    with pytest.raises(InvalidInputError, match="It does not exist"):
        load_predictor(tmp_path / "nowhere")
    with pytest.raises(CorruptFileError, match=r"manifest\.json is missing"):
        load_predictor(tmp_path)


def test_an_existing_folder_is_replaced_only_when_asked_and_only_if_it_is_a_predictor(tmp_path, fitted):
    folder = fitted("random-forest").save(tmp_path / "model")
    with pytest.raises(InvalidInputError, match=r"path must not exist yet.*overwrite=True"):
        fitted("mean").save(folder)
    assert load_predictor(folder).name == "random-forest"
    fitted("mean").save(folder, overwrite=True)
    assert load_predictor(folder).name == "mean"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    with pytest.raises(InvalidInputError, match=r"be a folder that Predictor\.save wrote"):
        fitted("mean").save(tmp_path / "other", overwrite=True)
    assert (tmp_path / "other" / "thesis.tex").exists()


def test_a_failed_write_leaves_the_old_folder_and_no_rest(tmp_path, fitted, monkeypatch):
    folder = fitted("mean").save(tmp_path / "model")

    def full(path, data):
        raise OSError("no space left on device")

    monkeypatch.setattr(persistence, "write_and_sync", full)
    with pytest.raises(OSError, match="no space"):
        fitted("random-forest").save(folder, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    shutil.copytree(folder, tmp_path / "copy")
    assert load_predictor(tmp_path / "copy").name == "mean"


def test_metadata_and_versions_travel_with_the_predictor(tmp_path, fitted):
    folder = fitted("mean").save(tmp_path / "model", metadata={"target": "test", "task": "reber"})
    assert load_predictor(folder).metadata_ == {"target": "test", "task": "reber"}
    versions = json.loads((folder / "predictor.json").read_text())["versions"]
    assert {"numpy", "scikit-learn", "skops"} <= set(versions)
    with pytest.raises(InvalidInputError, match="hold JSON values only"):
        fitted("mean").save(tmp_path / "other", metadata={"target": object()})


def test_only_fitted_predictors_of_registered_classes_are_saved(tmp_path, fitted):
    with pytest.raises(NotFittedError):
        Mean().save(tmp_path / "model")

    class Own(Mean):
        name = "own"

    own = Own().fit(*_two())
    with pytest.raises(InvalidInputError, match="registered in PREDICTORS, got 'Own'"):
        save(own, tmp_path / "model")
    with pytest.raises(InvalidInputError, match="be a Predictor"):
        save("mean", tmp_path / "model")


def _two():
    from nnstruct.structure import Structure

    return [Structure.from_layers([1, 2]), Structure.from_layers([2, 2])], [0.0, 1.0]
