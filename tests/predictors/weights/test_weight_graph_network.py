"""The network that reads weights: names of units, signal, probes, storage."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scaled_networks import drawn, relabelled

from nnstruct import Network, Space, TrainConfig, load_task
from nnstruct.errors import InvalidInputError
from nnstruct.modules import build_module
from nnstruct.predictors import WeightGraphNetwork, load_predictor
from nnstruct.priors import sample

SMALL = {"hidden": 8, "layers": 2, "members": 2, "max_epochs": 2}
TASKS = {
    "mlp": load_task("shapes", train=64, val=8, test=8),
    "cnn": load_task("shapes", train=64, val=8, test=8),
    "gru": load_task("reber"),
}
PROBES = {
    "mlp": np.random.default_rng(0).normal(size=(4, *TASKS["mlp"].input_shape)),
    "cnn": np.random.default_rng(0).normal(size=(4, *TASKS["cnn"].input_shape)),
    "gru": np.random.default_rng(0).integers(1, 7, size=(4, 5)),
}


@cache
def networks(family: str, count: int = 12) -> list[Network]:
    """Networks of a task with irregular structures, their weights and normalisations away from the start."""
    rng = np.random.default_rng(3)
    made = []
    for seed, structure in enumerate(sample(Space(family, units=(6, 10)), n=count, seed=1)):
        config = TrainConfig(normalization="layer") if family == "mlp" else TrainConfig()
        fresh = build_module(structure, TASKS[family], config, seed=seed).to_network()
        tensors = {
            name: value + (0.3 * rng.random(value.shape) if name.startswith("norm_") else 0.0)
            for name, value in fresh.tensors.items()
        }
        made.append(Network(structure, fresh.weight, rng.normal(size=fresh.bias.shape), tensors))
    return made


@pytest.mark.parametrize("probed", [False, True])
@pytest.mark.parametrize("family", TASKS)
def test_other_names_for_units_change_no_prediction(family, probed):
    given = networks(family)
    model = WeightGraphNetwork(**SMALL, probes=PROBES[family] if probed else None)
    model.fit(given, np.random.default_rng(0).normal(size=len(given)))
    rng = np.random.default_rng(1)
    moved = [relabelled(network, rng.permutation(network.structure.num_units)) for network in given]
    assert any(
        (a.structure.edge_index != b.structure.edge_index).any() for a, b in zip(given, moved, strict=True)
    )
    for here, there in zip(
        model.predict(given, return_std=True), model.predict(moved, return_std=True), strict=True
    ):
        np.testing.assert_allclose(here, there, atol=1e-5)
    assert np.ptp(model.predict(given)) > 1e-4


def test_it_learns_from_weights_and_is_saved_with_them(tmp_path):
    given, scales = drawn(120)
    model = WeightGraphNetwork(hidden=16, layers=2, members=1, max_epochs=25, batch_size=16)
    mean, std = model.fit(given[:90], scales[:90]).predict(given[90:], return_std=True)
    assert np.corrcoef(mean, scales[90:])[0, 1] > 0.9
    assert np.mean(np.abs(mean - scales[90:]) < 2.5 * std) > 0.8
    again = load_predictor(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict(given[90:]), mean)


def test_structures_are_kept_apart_from_networks():
    given, scales = drawn(20)
    structures = [network.structure for network in given]
    model = WeightGraphNetwork(**SMALL).fit(given, scales)
    with pytest.raises(InvalidInputError, match="structures must be Networks, as in fit"):
        model.predict(structures)
    with pytest.raises(InvalidInputError, match=r"structures\[1\] must be a Network as others are"):
        model.fit([given[0], *structures[1:]], scales)
    with pytest.raises(InvalidInputError, match="structures must be Structures, as in fit"):
        WeightGraphNetwork(**SMALL).fit(structures, scales).predict(given)


def test_a_row_of_more_values_than_in_fit_is_refused():
    given, scales = drawn(20)
    wide = Network(given[0].structure, given[0].weight, given[0].bias, {"input_weight": np.ones((3, 5, 1))})
    with pytest.raises(
        InvalidInputError, match="at most 4 numbers of the kind input_weight a row, as in fit, got 5"
    ):
        WeightGraphNetwork(**SMALL).fit(given, scales).predict([wide])


def test_probes_are_saved_and_checked(tmp_path):
    given, y = networks("mlp"), np.arange(12.0)
    model = WeightGraphNetwork(**SMALL, probes=PROBES["mlp"]).fit(given, y)
    again = load_predictor(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict(given), model.predict(given))
    np.testing.assert_array_equal(again.probes, PROBES["mlp"])
    for wrong in (np.zeros(3), [["a"]], np.array([[np.nan]])):
        with pytest.raises(InvalidInputError, match=r"probes must be a finite array \[P, ...\] of inputs"):
            WeightGraphNetwork(**SMALL, probes=wrong).fit(given, y)
    with pytest.raises(InvalidInputError, match="probes must be inputs that the network takes"):
        WeightGraphNetwork(**SMALL, probes=np.ones((2, 3))).fit(given, y)
