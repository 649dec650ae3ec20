"""After a whole training, the accuracies of all engines are one distribution, and a difference would show."""

from functools import cache

import numpy as np
import pytest

from nnstruct import Structure, TrainConfig
from nnstruct.population import native, train
from nnstruct.tasks import Task

RNG = np.random.default_rng(0)
STRINGS = ["".join(RNG.choice(list("ab"), size=RNG.integers(3, 9))) for _ in range(300)]
TASK = Task.from_sequences("a-first-and-last", STRINGS, [int(s[0] == s[-1] == "a") for s in STRINGS])
CONFIG = TrainConfig(epochs=6, batch_size=16, learning_rate=4e-3)
FAMILIES = ("rnn_tanh", "rnn_relu", "gru", "lstm")
STRUCTURES = [Structure.from_layers([size, 3], family=family) for family in FAMILIES for size in (3, 5)]
SEEDS = 4


@cache
def results(engine: str, learning_rate: float = CONFIG.learning_rate) -> tuple[np.ndarray, np.ndarray]:
    """Validation accuracy averaged over the epochs and test loss, both [structures, seeds]."""
    config = CONFIG.model_copy(update={"learning_rate": learning_rate})
    records = train(STRUCTURES, TASK, seeds=SEEDS, config=config, engine=engine)
    shape = (len(STRUCTURES), SEEDS)
    accuracy = np.array([record.val.mean() for record in records]).reshape(shape)
    return accuracy, np.array([record.test_loss for record in records]).reshape(shape)


def difference(engine: str, **changed: float) -> float:
    """Mean difference from the reference, in units of the seeds' spread; the larger of the two measures."""
    measures = zip(results(engine, **changed), results("reference"), strict=True)
    return max(abs((a - b).mean()) / b.std(axis=1, ddof=1).mean() for a, b in measures)


@pytest.mark.parametrize("engine", ["fused", "native", "batched"])
def test_final_scores_are_those_of_the_reference_within_the_seeds_spread(engine):
    if engine == "native" and not native.available():
        pytest.skip(native.unavailable_reason())
    assert difference(engine) < 0.05


def test_a_rate_that_is_a_fifth_too_high_would_be_noticed():
    assert difference("fused", learning_rate=1.2 * CONFIG.learning_rate) > 0.1
