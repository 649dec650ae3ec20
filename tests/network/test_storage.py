"""Networks in files: every bit comes back, and every damage is noticed."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from nnstruct import Network, Structure, TrainConfig, load_task
from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError
from nnstruct.modules import build_module
from nnstruct.network.storage import KEY, read_note

CELLS = Structure(
    [[0, 0, 1, 2], [1, 2, 3, 3]],
    4,
    family="cnn",
    attributes={"channels": (3, 4, 4, 5), "operator": ("conv3x3", "sepconv3x3", "conv1x1", "conv3x3")},
    origin={"kind": "hand"},
)


def networks():
    images = load_task("shapes", train=32, val=8, test=8)
    digits = TrainConfig(normalization="layer")
    return [
        build_module(CELLS, images, seed=1).to_network(),
        build_module(Structure.from_layers([4, 3], family="lstm"), load_task("reber"), seed=2).to_network(),
        build_module(Structure.from_layers([5, 4]), load_task("digits"), digits, seed=3).to_network(),
    ]


def same(first: Network, second: Network) -> bool:
    arrays = [(first.weight, second.weight), (first.bias, second.bias)]
    arrays += [(first.tensors[name], second.tensors[name]) for name in first.tensors]
    return (
        first.structure == second.structure
        and dict(first.structure.origin) == dict(second.structure.origin)
        and list(first.tensors) == list(second.tensors)
        and all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in arrays)
    )


@pytest.mark.parametrize("network", networks(), ids=lambda network: network.structure.family)
def test_every_bit_comes_back(network, tmp_path):
    assert same(Network.load(network.save(tmp_path / "n.safetensors")), network)


@pytest.mark.parametrize("network", networks(), ids=lambda network: network.structure.family)
def test_half_precision_is_the_nearest_half_and_stays_so(network, tmp_path):
    once = Network.load(network.save(tmp_path / "n.safetensors", dtype="float16"))
    np.testing.assert_array_equal(once.weight, network.weight.astype(np.float16).astype(np.float32))
    assert same(Network.load(once.save(tmp_path / "m.safetensors", dtype="float16")), once)
    assert (tmp_path / "n.safetensors").read_bytes() == (tmp_path / "m.safetensors").read_bytes()


def test_a_value_beyond_half_precision_is_refused(tmp_path):
    network = Network(Structure.from_layers([1, 1]), [[1e5]], np.zeros((2, 1)))
    with pytest.raises(InvalidInputError, match=r"weight must stay within the range of float16 \(65504\)"):
        network.save(tmp_path / "n.safetensors", dtype="float16")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", range(12))
def test_one_flipped_bit_is_noticed_wherever_it_is(seed, tmp_path):
    network = networks()[0]
    path = network.save(tmp_path / "n.safetensors")
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    # The first half in the header, the second among the numbers.
    length = 8 + int.from_bytes(data[:8], "little")
    place = int(rng.integers(length) if seed % 2 else rng.integers(length, len(data)))
    data[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)
    try:
        found = Network.load(path)
    except (CorruptFileError, InvalidInputError):
        return
    assert same(found, network)  # a space in the header's text, or a name that nothing reads


@pytest.mark.parametrize("keep", [0, 5, 300, -1])
def test_a_truncated_file_is_named(keep, tmp_path):
    path = networks()[0].save(tmp_path / "n.safetensors")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CorruptFileError, match=r"n\.safetensors"):
        Network.load(path)


def test_files_of_others_and_of_the_future_are_refused(tmp_path):
    path = networks()[0].save(tmp_path / "n.safetensors")
    note, arrays = read_note(path.read_bytes()), load_file(path)
    save_file(arrays, tmp_path / "other.safetensors")
    with pytest.raises(CorruptFileError, match="that nnstruct wrote"):
        Network.load(tmp_path / "other.safetensors")
    save_file(arrays, path, {KEY: json.dumps(note | {"format": 2})})
    with pytest.raises(InvalidInputError, match="be at most 1, got 2"):
        Network.load(path)
    with pytest.raises(MissingDataError, match="There is no file"):
        Network.load(tmp_path / "none.safetensors")


def test_a_network_with_a_program_is_refused(tmp_path):
    import torch

    from nnstruct.extract import extract

    network = extract(torch.nn.Linear(2, 2), torch.zeros(1, 2))
    with pytest.raises(InvalidInputError, match="be a plain Network"):
        network.save(tmp_path / "n.safetensors")
