"""The compiled loops train residual edges as the reference does, and leave alone what is fixed."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from batched_cases import graph_structure, task_of, with_residual

from nnstruct import Structure, TrainConfig
from nnstruct.modules import initial_parameters
from nnstruct.modules.residual import weighted_units
from nnstruct.population import ENGINES, native, train
from nnstruct.population.outcome import Outcome
from nnstruct.structure.families import RNN_FAMILIES

FAMILIES = (*RNN_FAMILIES, "mlp")
CONFIG = TrainConfig(epochs=20, batch_size=400, learning_rate=3e-3)  # a step an epoch


@cache
def structure_of(family: str) -> Structure:
    """One with a unit that only adds up others, within the reach of a recurrent edge."""
    return with_residual(graph_structure(family, 4, "random"), 2)


@cache
def outcome(engine: str, family: str) -> Outcome:
    return ENGINES[engine].train_one(structure_of(family), task_of(family), CONFIG, 5, ())


@pytest.mark.parametrize("engine", ["fused", "native"])
@pytest.mark.parametrize("family", FAMILIES)
def test_losses_equal_the_reference_over_twenty_steps(family, engine):
    if reason := ENGINES[engine].obstacle(structure_of(family), task_of(family), CONFIG):
        pytest.skip(reason)
    found, plain = outcome(engine, family), outcome("reference", family)
    np.testing.assert_allclose(found.train_loss, plain.train_loss, rtol=1e-5)
    np.testing.assert_allclose(found.val_loss, plain.val_loss, rtol=1e-5)
    assert found.val == plain.val
    for name, value in plain.parameters.items():
        np.testing.assert_allclose(found.parameters[name], value, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_fixed_weights_stay_one_and_idle_biases_as_they_are(family):
    structure, engine = structure_of(family), "native" if native.available() and family != "mlp" else "fused"
    assert structure.residual.any()
    idle = ~weighted_units(structure)
    assert idle.any()
    before = initial_parameters(structure, task_of(family), CONFIG, 5)
    after = outcome(engine, family).parameters
    assert (after["weight"][structure.residual] == 1).all()
    np.testing.assert_array_equal(after["bias"][idle], before["bias"][idle])
    assert (after["bias"][~idle] != before["bias"][~idle]).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fast_engine_is_taken(family):
    (record,) = train([structure_of(family)], task_of(family), config=CONFIG.model_copy(update={"epochs": 1}))
    assert record.engine == ("native" if native.available() and family != "mlp" else "fused")
