"""Weights and compressibility of Networks: oracles, invariance, edge cases and errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from properties_oracles import structures

from nnstruct import Network, Structure, TrainConfig
from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.modules import build_module
from nnstruct.modules.parameters import count_parameters
from nnstruct.properties import NETWORK_FAMILIES, network_features
from nnstruct.properties.compressibility import (
    cp_terms,
    fourier_factors,
    greedy_cp,
    largest_rank,
    layer_compressibility,
)
from nnstruct.properties.weight_tensors import weight_tensors
from nnstruct.properties.weights import layer_weights
from nnstruct.structure.families import FAMILIES
from nnstruct.tasks import Task

ALL = tuple(NETWORK_FAMILIES)


@st.composite
def networks(draw, max_units=10):
    structure = draw(structures(max_units=max_units))
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    family = FAMILIES[structure.family]
    tensors = {
        "input_weight": rng.normal(size=(structure.inputs.sum(), 3, family.gates)),
        "readout_weight": rng.normal(size=(2, structure.outputs.sum())),
        "readout_bias": rng.normal(size=2),
    }
    return Network(
        structure,
        rng.normal(size=(structure.num_edges, family.gates)),
        rng.normal(size=(structure.num_units, family.biases)),
        tensors if draw(st.booleans()) else {},
    )


def relabelled(network: Network, permutation: np.ndarray) -> Network:
    """The same network with other names for its units."""
    old, new = network.structure, network.structure.relabel(permutation)
    row = {(*map(int, permutation[edge]), bool(r)): e
           for e, (edge, r) in enumerate(zip(old.edge_index.T, old.recurrent, strict=True))}  # fmt: skip
    order = [row[u, v, bool(r)] for (u, v), r in zip(new.edge_index.T.tolist(), new.recurrent, strict=True)]
    units = np.argsort(permutation)
    tensors = dict(network.tensors)
    if tensors:
        for name, flags, axis in (("input_weight", old.inputs, 0), ("readout_weight", old.outputs, 1)):
            rank = np.cumsum(flags) - 1
            moved = [rank[u] for u in units if flags[u]]
            tensors[name] = np.take(tensors[name], moved, axis=axis)
    return Network(new, network.weight[order], network.bias[units], tensors)


@given(network=networks(), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_relabelling_changes_no_property(network, seed):
    permutation = np.random.default_rng(seed).permutation(network.structure.num_units)
    table = network_features([network, relabelled(network, permutation)], ALL)
    np.testing.assert_allclose(table.iloc[0], table.iloc[1], rtol=1e-6, atol=1e-9)


@given(network=networks())
@settings(max_examples=40, deadline=None)
def test_weights_equal_numpy(network):
    row = network_features([network], ["weights"]).iloc[0].rename(lambda name: name.removeprefix("weights."))
    structure, (source, target) = network.structure, network.structure.edge_index
    for kind, flag in (("forward", False), ("recurrent", True)):
        chosen = structure.recurrent == flag
        values = network.weight[chosen].astype(float)
        if not values.size:
            assert row[row.index.str.startswith(f"{kind}_")].isna().all()
            continue
        assert row[f"{kind}_mean"] == pytest.approx(values.mean())
        assert row[f"{kind}_q95"] == pytest.approx(np.quantile(values, 0.95))
        assert row[f"{kind}_sign_balance"] == pytest.approx(np.sign(values).mean())
        matrix = np.zeros((values.shape[1], structure.num_units, structure.num_units))
        matrix[:, target[chosen], source[chosen]] = values.T
        norm = np.linalg.norm(np.concatenate(matrix), 2)
        assert row[f"{kind}_spectral_norm"] == pytest.approx(norm)
        assert row[f"{kind}_stable_rank"] == pytest.approx((values**2).sum() / norm**2)
        layers = structure.layer[target[chosen]]
        by_layer = [np.sqrt((values[layers == depth] ** 2).mean()) for depth in np.unique(layers)]
        found = [row[f"{kind}_layer_rms_{name}"] for name in ("first", "last", "mean", "min", "max")]
        expected = [by_layer[0], by_layer[-1], np.mean(by_layer), min(by_layer), max(by_layer)]
        assert found == pytest.approx(expected)
        for gate in range(4):
            known = gate < values.shape[1] and structure.family not in ("mlp", "module")
            wanted = values[:, gate].mean() if known else math.nan
            assert row[f"{kind}_gate_{gate}_mean"] == pytest.approx(wanted, nan_ok=True)
    assert row["bias_var"] == pytest.approx(network.bias.astype(float).var())
    wanted = network.tensors["readout_weight"].mean(dtype=float) if network.tensors else math.nan
    assert row["readout_mean"] == pytest.approx(wanted, nan_ok=True, abs=1e-9)


def test_layers_and_gates_by_hand():
    structure = Structure.from_layers([1, 2], family="gru", recurrence="self")
    weight = np.arange(15.0).reshape(5, 3)  # two forward edges, then three to the units themselves
    table = layer_weights(Network(structure, weight, np.zeros((3, 4))))
    assert table["kind"].tolist() == ["forward"] * 4 + ["recurrent"] * 8
    assert table["gate"].tolist() == [-1, 0, 1, 2] * 3
    assert table["layer"].tolist() == [1] * 4 + [0] * 4 + [1] * 4
    assert table["count"].tolist() == [6, 2, 2, 2, 3, 1, 1, 1, 6, 2, 2, 2]
    assert table["mean"].tolist() == [2.5, 1.5, 2.5, 3.5, 7, 6, 7, 8, 11.5, 10.5, 11.5, 12.5]
    assert table["spectral_norm"][9] == pytest.approx(12)  # the gate 0 of 9 and 12, on the diagonal


def test_zero_weights_have_no_rank():
    network = Network(Structure.from_layers([2, 2]), np.zeros((4, 1)), np.zeros((4, 1)))
    row = network_features([network], ALL).iloc[0]
    assert row["weights.forward_spectral_norm"] == 0
    assert math.isnan(row["weights.forward_stable_rank"])
    assert row.filter(like="compressibility.").isna().all()
    assert layer_compressibility(network).empty


@given(seed=st.integers(0, 999), rank=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_greedy_cp_finds_orthogonal_terms(seed, rank):
    rng = np.random.default_rng(seed)
    axes = [np.linalg.qr(rng.normal(size=(size, size)))[0][:rank] for size in (5, 4, 3)]
    strength = np.array([4.0, 2.0, 1.0])[:rank]
    weights, energy = greedy_cp(np.einsum("r,ra,rb,rc->abc", strength, *axes), 0.9999)
    assert len(weights) == rank
    np.testing.assert_allclose(np.sort(np.abs(weights))[::-1], strength, rtol=1e-5)
    assert energy[-1] == pytest.approx(1, abs=1e-6)


@given(
    seed=st.integers(0, 999),
    shape=st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4)),
    share=st.sampled_from([0.5, 0.9, 0.99]),
)
@settings(max_examples=40, deadline=None)
def test_greedy_cp_holds_the_energy_it_says(seed, shape, share):
    tensor = np.random.default_rng(seed).normal(size=shape)
    weights, energy = greedy_cp(tensor, share)
    assert len(weights) == len(energy) <= largest_rank(shape)
    assert (np.diff(energy) >= -1e-9).all()
    assert (energy[:-1] < share).all()
    assert energy[-1] >= share - 1e-6 or len(weights) == largest_rank(shape)
    if shape[2] == 1:
        singular = np.linalg.svd(tensor[:, :, 0], compute_uv=False)
        best = (np.cumsum(singular**2) / (singular**2).sum())[: len(weights)]
        np.testing.assert_allclose(energy, best)


def test_compressibility_by_hand():
    # Layer 1 has rank one, layer 2 is orthogonal.
    structure = Structure.from_layers([3, 3, 3])
    weight = np.concatenate([np.ones(9), np.eye(3).ravel()])[:, None]
    table = layer_compressibility(Network(structure, weight, np.zeros((9, 1))))
    assert table["rank"].tolist() == [1, 3]
    assert table["parameters"].tolist() == [8, 24]
    assert table["tensorisation"].tolist() == pytest.approx([1, math.sqrt(3)])
    row = network_features([Network(structure, weight, np.zeros((9, 1)))], ["compressibility"]).iloc[0]
    assert row["compressibility.rank_share_99_mean"] == pytest.approx((1 / 3 + 1) / 2)
    assert row["compressibility.bound_99"] == pytest.approx(math.sqrt(32))
    assert row["compressibility.compressed_share_90"] == pytest.approx(32 / 18)


@pytest.mark.parametrize("sizes", [[100], [100, 50], [300, 100]])
def test_all_weights_of_a_perceptron_are_seen(sizes):
    task = Task.from_arrays("vectors", np.random.default_rng(0).normal(size=(20, 64)), [0, 1] * 10)
    module = build_module(Structure.from_layers(sizes), task)
    table = layer_compressibility(module.to_network())
    weights = sum(p.numel() for name, p in module.named_parameters() if p.dim() > 1 and name != "weight")
    assert table["dense"].sum() == weights + module.structure.num_edges
    assert table["kind"].tolist() == ["input"] + ["forward"] * (len(sizes) - 1) + ["readout"]
    assert np.isfinite(table["bound"]).all()


def convolution(kernel: np.ndarray) -> Network:
    """Two cells of as many channels, with a kernel [out, in, 3, 3] between them."""
    structure = Structure([[0], [1]], 2, family="cnn", attributes={"channels": (8, 8)})
    task = Task.from_arrays("images", np.random.default_rng(0).normal(size=(20, 1, 6, 6)), [0, 1] * 10)
    module = build_module(structure, task, seed=0)
    with torch.no_grad():
        module.blocks[1].kernel_0.copy_(torch.from_numpy(kernel))
    return module.to_network()


def test_kernels_are_tensors_of_targets_sources_and_positions():
    rng = np.random.default_rng(1)
    full = rng.normal(size=(8, 8, 3, 3))
    (seen,) = (part for part in weight_tensors(convolution(full)) if part.kind == "forward")
    np.testing.assert_allclose(seen.tensor, full.reshape(8, 8, 9), rtol=1e-6)
    single = np.einsum("o,i,p->oip", *(rng.normal(size=size) for size in (8, 8, 9))).reshape(8, 8, 3, 3)
    ranks = {}
    for name, kernel in (("full", full), ("single", single)):
        table = layer_compressibility(convolution(kernel)).set_index("kind")
        assert table.loc["forward", ["targets", "sources", "positions"]].tolist() == [8, 8, 9]
        assert table.loc["input", ["targets", "sources", "positions"]].tolist() == [8, 1, 9]
        assert table["dense"].sum() == 8 * 8 * 9 + 8 * 9 + 2 * 8
        ranks[name] = int(table.loc["forward", "rank"])
    assert ranks["single"] == 1
    assert ranks["full"] > 20


def test_channels_of_a_layer_and_kernels_of_cells_are_seen():
    structure = Structure(
        [[0, 1, 0, 1, 2], [2, 2, 3, 3, 3]], 4, family="cnn",
        attributes={"channels": (2, 3, 4, 5), "join": ["concat"] * 3 + ["sum"]},
    )  # fmt: skip
    task = Task.from_arrays("images", np.random.default_rng(0).normal(size=(20, 3, 6, 6)), [0, 1] * 10)
    config = TrainConfig(normalization="none")
    network = build_module(structure, task, config).to_network()
    found = [(part.layer, part.kind, part.tensor.shape) for part in weight_tensors(network)]
    assert found == [
        (0, "input", (5, 3, 9)),
        (1, "forward", (4, 5, 9)),
        (2, "forward", (5, 9, 1)),  # what brings the inputs to five channels
        (2, "unit", (5, 5, 9)),
        (3, "readout", (2, 5, 1)),
    ]
    weights = count_parameters(structure, task, config) - (2 + 3 + 4 + 5) - 2  # without biases
    assert layer_compressibility(network)["dense"].sum() == weights


def test_the_tensorisation_factor_is_that_of_the_transform():
    smooth, sharp = np.ones((1, 1, 9)), np.zeros((1, 1, 9))
    sharp[0, 0, 4] = 3.0
    for kernel, factor in ((smooth, 3.0), (sharp, 1.0)):  # |DFT| of a box is its sum; of a point, its height
        _, _, positions = cp_terms(kernel)
        assert fourier_factors(positions)[0] == pytest.approx(factor)


def test_columns_are_the_same_for_all():
    mlp = Network(Structure.from_layers([2, 2]), np.ones((4, 1)), np.zeros((4, 1)))
    lstm = Network(Structure.from_layers([1], family="lstm"), np.ones((1, 4)), np.zeros((1, 4)))
    table = network_features([mlp, lstm], ALL)
    names = [name for family in ALL for name in NETWORK_FAMILIES[family].columns]
    assert list(table.columns) == names
    assert (table.dtypes == np.float64).all()
    assert table["weights.recurrent_gate_3_mean"].tolist()[1] == 1


@pytest.mark.parametrize(
    ("given_networks", "families", "message"),
    [
        ([], ALL, "networks must hold at least one Network"),
        ([Structure.from_layers([2])], ALL, r"networks\[0\] must be a Network"),
        (Network(Structure.from_layers([2]), np.ones((0, 1)), np.ones((2, 1))), ALL, r"Write \[network\]"),
        (5, ALL, "networks must be a list of Networks"),
        ([None], (), "families must name at least one of compressibility"),
    ],
)
def test_bad_input(given_networks, families, message):
    with pytest.raises(InvalidInputError, match=message):
        network_features(given_networks, families)


def test_unknown_family():
    with pytest.raises(UnknownNameError, match="Did you mean 'weights'"):
        network_features([], ["weight"])


@pytest.mark.parametrize(("tensor", "share"), [(np.ones((2, 2)), 0.9), (np.zeros((2, 2, 2)), 0.9)])
def test_bad_tensor(tensor, share):
    with pytest.raises(InvalidInputError, match="tensor must have three axes"):
        greedy_cp(tensor, share)


@pytest.mark.parametrize("share", [0.0, 1.0, math.nan])
def test_bad_share(share):
    network = Network(Structure.from_layers([2, 2]), np.ones((4, 1)), np.zeros((4, 1)))
    with pytest.raises(InvalidInputError, match=r"share must be in \(0, 1\)"):
        layer_compressibility(network, share)
    with pytest.raises(InvalidInputError, match=r"share must be in \(0, 1\)"):
        greedy_cp(np.ones((2, 2, 2)), share)


@given(network=networks())
@settings(max_examples=15, deadline=None)
def test_statnn_equals_numpy(network):
    row = network_features([network], ["statnn"]).iloc[0].rename(lambda name: name.removeprefix("statnn."))
    structure, entered = network.structure, network.structure.layer[network.structure.edge_index[1]]
    deepest, forward = structure.num_layers - 1, ~structure.recurrent
    between = (entered > 1) & (entered < deepest) & forward
    inside = (structure.layer > 1) & (structure.layer < deepest)
    expected = {
        "input_kernel": network.tensors.get("input_weight", np.zeros(0)),
        "input_bias": network.bias[structure.layer == 0],
        "first_kernel": network.weight[(entered == 1) & forward],
        "first_bias": network.bias[structure.layer == 1],
        "middle_kernel": network.weight[between],
        "middle_bias": network.bias[inside],
        "last_kernel": network.weight[(entered == deepest) & forward],
        "last_bias": network.bias[structure.layer == deepest] if deepest else np.zeros(0),
        "recurrent_kernel": network.weight[structure.recurrent],
        "readout_kernel": network.tensors.get("readout_weight", np.zeros(0)),
        "readout_bias": network.tensors.get("readout_bias", np.zeros(0)),
    }
    for group, values in expected.items():
        found = row[[name for name in row.index if name.startswith(f"{group}_")]].tolist()
        wanted = [math.nan] * 7
        if values.size:
            flat = values.astype(float).ravel()
            wanted = [flat.mean(), flat.var(), *np.quantile(flat, [0, 0.25, 0.5, 0.75, 1])]
        assert found == pytest.approx(wanted, nan_ok=True, abs=1e-9)
    assert row.filter(like="norm_").isna().all()
    assert row.filter(like="_scale_").isna().all()


def test_statnn_of_normalised_networks():
    structure = Structure.from_layers([2, 1, 1, 1])
    scale = np.array([[1.0], [3.0], [5.0], [7.0], [9.0]])
    tensors = {
        "norm_scale": scale,
        "norm_mean": -scale,
        "norm_var": scale**2,
        "input_weight.1": np.full((1, 4), 2.0),
    }
    row = network_features([Network(structure, np.ones((4, 1)), scale, tensors)], ["statnn"]).iloc[0]
    groups = ("input", "first", "middle", "last")
    assert [row[f"statnn.{group}_scale_mean"] for group in groups] == [2, 5, 7, 9]
    assert [row[f"statnn.{group}_bias_max"] for group in groups] == [3, 5, 7, 9]
    assert (row["statnn.norm_mean_min"], row["statnn.norm_var_median"]) == (-9, 25)
    assert row["statnn.input_kernel_mean"] == 2
