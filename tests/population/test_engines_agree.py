"""After a whole training, the accuracies of all engines are one distribution, and a difference would show."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from nnstruct import Structure, TrainConfig
from nnstruct.population import ENGINES, native, train
from nnstruct.tasks import Task

RNG = np.random.default_rng(0)
STRINGS = ["".join(RNG.choice(list("ab"), size=RNG.integers(3, 9))) for _ in range(300)]
TASK = Task.from_sequences("a-first-and-last", STRINGS, [int(s[0] == s[-1] == "a") for s in STRINGS])
CONFIG = TrainConfig(epochs=6, batch_size=16, learning_rate=4e-3)
FAMILIES = ("rnn_tanh", "rnn_relu", "gru", "lstm")
STRUCTURES = [Structure.from_layers([size, 3], family=family) for family in FAMILIES for size in (3, 5)]
for place in (
    3,
    5,
):  # of rnn_relu and gru: a unit of the last layer that adds up, others that compute as well
    structure, rng = STRUCTURES[place], np.random.default_rng(place)
    chosen = (rng.random(structure.num_edges) < 0.4) | (structure.edge_index[1] == 5)
    STRUCTURES[place] = replace(structure, residual=chosen & ~structure.recurrent)
SEEDS = 2


def served(engine: str) -> list[int]:
    """Places of the structures that the engine trains: the batched one has no residual edges."""
    able = [not ENGINES[engine].obstacle(structure, TASK, CONFIG) for structure in STRUCTURES]
    return np.flatnonzero(able).tolist()


@cache
def results(engine: str, learning_rate: float = CONFIG.learning_rate) -> tuple[np.ndarray, np.ndarray]:
    """Validation accuracy averaged over the epochs and test loss, both [structures, seeds]."""
    config = CONFIG.model_copy(update={"learning_rate": learning_rate})
    chosen = [STRUCTURES[place] for place in served(engine)]
    records = train(chosen, TASK, seeds=SEEDS, config=config, engine=engine)
    shape = (len(chosen), SEEDS)
    accuracy = np.array([record.val.mean() for record in records]).reshape(shape)
    return accuracy, np.array([record.test_loss for record in records]).reshape(shape)


def difference(engine: str, **changed: float) -> float:
    """Mean difference from the reference, in units of the seeds' spread; the larger of the two measures."""
    measures = zip(results(engine, **changed), results("reference"), strict=True)
    own = served(engine)
    return max(abs((a - b[own]).mean()) / b[own].std(axis=1, ddof=1).mean() for a, b in measures)


@pytest.mark.parametrize("engine", ["fused", "native", "batched"])
def test_final_scores_are_those_of_the_reference_within_the_seeds_spread(engine):
    if engine == "native" and not native.available():
        pytest.skip(native.unavailable_reason())
    assert len(served(engine)) == len(STRUCTURES) - (2 if engine == "batched" else 0)
    assert difference(engine) < 0.05


def test_a_rate_that_is_a_fifth_too_high_would_be_noticed():
    assert difference("fused", learning_rate=1.2 * CONFIG.learning_rate) > 0.1
