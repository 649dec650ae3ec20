"""Which engine trains what on which device."""

import numpy as np
import pytest
import torch

from nnstruct import Structure, TrainConfig
from nnstruct.errors import InvalidInputError
from nnstruct.population import Job, choose_engine, stream, train
from nnstruct.tasks import Task

RNG = np.random.default_rng(0)
STRINGS = ["".join(RNG.choice(list("ab"), size=RNG.integers(2, 6))) for _ in range(80)]
TASK = Task.from_sequences("more-a", STRINGS, [int(2 * s.count("a") > len(s)) for s in STRINGS])
IMAGES = Task.from_arrays("bright", RNG.normal(size=(60, 1, 8, 8)), RNG.integers(0, 2, 60))
CONFIG = TrainConfig(epochs=2, batch_size=16)


def test_populations_give_the_records_of_single_networks():
    structures = [
        Structure.from_layers([n, 3], family=family) for n in (3, 5) for family in ("gru", "rnn_relu")
    ]
    together = train(structures, TASK, seeds=2, config=CONFIG, engine="batched")
    alone = train(structures, TASK, seeds=2, config=CONFIG, engine="reference")
    for a, b in zip(together, alone, strict=True):
        assert (a.fingerprint, a.seed, a.status, a.parameters) == (
            b.fingerprint,
            b.seed,
            b.status,
            b.parameters,
        )
        assert (a.engine, b.engine) == ("batched", "reference")
        np.testing.assert_allclose(a.train_loss, b.train_loss, rtol=1e-4)


@pytest.mark.parametrize(("protocol", "workers"), [("faithful", 2), ("corrected", 1)])
def test_the_papers_protocols_get_the_reference_in_place_of_populations(protocol, workers):
    config = TrainConfig(protocol=protocol, epochs=1, batch_size=16)
    structures = [Structure.from_layers([n, 3], family="gru") for n in (3, 5)]
    asked = train(structures, TASK, config=config, engine="batched", workers=workers)
    plain = train(structures, TASK, config=config, engine="reference")
    for a, b in zip(asked, plain, strict=True):
        assert (a.key, a.engine, a.train_loss, a.test) == (b.key, "reference", b.train_loss, b.test)
    for engine in ("auto", "batched"):
        assert choose_engine(engine, structures[0], TASK, config, "cuda").name == "reference"
    with pytest.raises(InvalidInputError, match=r"engine must be one that trains config\.label_smoothing"):
        choose_engine("batched", structures[0], TASK, TrainConfig(label_smoothing=0.1), "cuda")


def test_auto_takes_the_fastest_engine_of_the_device():
    rnn, cnn = Structure.from_layers([3], family="lstm"), Structure.from_layers([2], family="cnn")
    assert choose_engine("auto", rnn, TASK, CONFIG, "cuda").name == "batched"
    assert choose_engine("auto", cnn, IMAGES, CONFIG, "cuda").name == "reference"
    assert choose_engine("auto", cnn, IMAGES, CONFIG).name == "reference"
    smooth = TrainConfig(label_smoothing=0.1)
    assert choose_engine("auto", rnn, TASK, smooth, "cuda").name == "reference"
    with pytest.raises(
        InvalidInputError, match="engine must be auto, batched or reference on a GPU, got 'fused'"
    ):
        choose_engine("fused", rnn, TASK, CONFIG, "cuda")
    with pytest.raises(InvalidInputError, match=r"engine must be one that trains config\.label_smoothing"):
        choose_engine("fused", rnn, TASK, smooth)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("tpu", "device must be 'cpu', 'cuda' or 'cuda:' and a number, got 'tpu'"),
        ("cuda:99", "device must be one of"),
    ],
)
def test_a_device_that_is_not_there(device, message):
    with pytest.raises(InvalidInputError, match=message):
        stream([Job(Structure.from_layers([3], family="gru"), 0)], TASK, CONFIG, device=device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_trains_both_kinds():
    faithful = CONFIG.model_copy(update={"protocol": "faithful"})
    for family, task, config, engine in (
        ("gru", TASK, CONFIG, "batched"), ("gru", TASK, faithful, "reference"),
        ("cnn", IMAGES, CONFIG, "reference"),
    ):  # fmt: skip
        record = train([Structure.from_layers([3, 2], family=family)], task, config=config, device="cuda")[0]
        assert (record.status, record.engine) == ("ok", engine)
