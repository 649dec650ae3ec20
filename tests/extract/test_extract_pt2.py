"""Modules in files of ``torch.export.save``: the same graph, and nothing in the file is run."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError
from nnstruct.extract import extract, extract_pt2
from nnstruct.modules import program_module


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    ).eval()


X = torch.randn(2, 2, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("pt2") / "net.pt2"
    torch.export.save(torch.export.export(network(), (X,)), path)
    return path


def test_the_file_gives_the_graph_of_its_module(file):
    module = network()
    found, expected = extract_pt2(file), extract(module, X)
    assert found.structure == expected.structure
    assert found.layers()["name"].tolist() == ["0", "5"]
    assert found.structure.origin["file"] == "net.pt2"
    assert np.array_equal(found.weight, expected.weight)
    with torch.no_grad():
        assert torch.allclose(program_module(found)(X), module(X), atol=1e-5)
    assert extract_pt2(file, resolution="layer").structure == extract(module, X, "layer").structure
    assert extract_pt2(file, torch.zeros(2, 2, 6, 6)).structure == expected.structure


def test_a_free_batch_size(tmp_path):
    module = network()
    exported = torch.export.export(module, (X,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(exported, tmp_path / "free.pt2")
    assert extract_pt2(tmp_path / "free.pt2").structure == extract(module, X).structure


def test_the_module_of_an_exported_program_can_be_given(file):
    exported = torch.export.load(file)
    assert extract(exported.module(), X).structure == extract(network(), X).structure


class Harm:
    """What its pickle does is to write a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def changed(source, target, change):
    """A copy of an archive, its entries changed by a function of name and bytes."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


def test_pickles_of_anything_but_tensors_are_not_run(file, tmp_path):
    mark = tmp_path / "run"
    harm = io.BytesIO()
    torch.save(Harm(mark), harm)

    def as_sample(name, data):
        return harm.getvalue() if name.endswith("sample_inputs/model.pt") else data

    def as_weight(name, data):
        if name.endswith("model_weights_config.json"):
            config = json.loads(data)
            config["config"]["5.bias"]["use_pickle"] = True
            return json.dumps(config)
        return harm.getvalue() if name.endswith("weights/weight_8") else data

    for number, change in enumerate((as_sample, as_weight)):
        with pytest.raises(InvalidInputError, match="can run code"):
            extract_pt2(changed(file, tmp_path / f"{number}.pt2", change))
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(tmp_path / "own.pt2", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("net/data/constants/opaque_obj_0", pickle.dumps(Harm(mark)))
    with pytest.raises(InvalidInputError, match="own objects"):
        extract_pt2(tmp_path / "own.pt2")
    assert not mark.exists()


def test_sizes_are_arithmetic(file, tmp_path):
    def change(name, data):
        if name.endswith("models/model.json"):
            content = json.loads(data)
            content["range"] = [{"expr_str": "__import__('os').getcwd()"}]
            return json.dumps(content)
        return data

    with pytest.raises(InvalidInputError, match="symbolic sizes that are arithmetic"):
        extract_pt2(changed(file, tmp_path / "x.pt2", change))


@pytest.mark.parametrize("damage", [lambda d: d[:200], lambda d: b"", lambda d: d[: len(d) // 2]])
def test_damage_is_told(file, tmp_path, damage):
    (tmp_path / "x.pt2").write_bytes(damage(file.read_bytes()))
    with pytest.raises(CorruptFileError, match=r"x\.pt2 holds no module"):
        extract_pt2(tmp_path / "x.pt2")


def test_what_is_missing_is_told(file, tmp_path):
    with pytest.raises(MissingDataError, match="There is no file"):
        extract_pt2(tmp_path / "absent.pt2")
    with pytest.raises(InvalidInputError, match="resolution"):
        extract_pt2(file, resolution="cell")
    without = changed(file, tmp_path / "y.pt2", lambda n, d: b"{}" if n.endswith("models/model.json") else d)
    with pytest.raises(CorruptFileError, match="cannot be read by torch"):
        extract_pt2(without)
