"""``repr`` of a module says how large it is and what it is made of."""

from __future__ import annotations

import torch
from torch import nn

from nnstruct import Structure, TrainConfig
from nnstruct.extract import extract
from nnstruct.modules import build_module, module_from_network
from nnstruct.tasks import load_task


def test_a_perceptron() -> None:
    structure = Structure.from_layers([5, 3])
    config = TrainConfig(normalization="layer")
    for made, more in ((None, ""), (config, ", normalised")):
        assert repr(build_module(structure, load_task("digits"), made)) == (
            "MaskedMLP(\n"
            "  family='mlp', units=8, edges=15, layers=[5, 3], inputs=64, outputs=10, "
            f"activations=['relu']{more}\n"
            "  (readout): Linear(in_features=3, out_features=10, bias=True)\n)"
        )


def test_recurrent_networks_of_both_protocols() -> None:
    structure = Structure.from_layers([3, 2], family="gru")
    reber = load_task("reber")
    sizes = "family='gru', units=5, edges=6 forward + 13 recurrent, layers=[3, 2]"
    symbols = int(reber.num_symbols or 0)
    assert f"CleanRNN(\n  {sizes}, inputs={symbols - 1}, outputs=2\n" in repr(build_module(structure, reber))
    faithful = repr(build_module(structure, reber, TrainConfig(protocol="faithful")))
    assert f"FaithfulRNN(\n  {sizes}, symbols={symbols}, outputs=2, corrected=False\n" in faithful
    assert "MaskedCell(family='gru', inputs=3, units=3, mask=27/27)" in faithful
    assert "MaskedCell(family='gru', inputs=3, units=2, mask=18/18)" in faithful


def test_a_convolutional_network() -> None:
    structure = Structure(
        [[0, 1], [1, 2]], 3, family="cnn",
        attributes={"operator": ["conv3x3", "maxpool3x3", "conv1x1"], "channels": [4, 4, 2]},
    )  # fmt: skip
    shown = repr(build_module(structure, load_task("shapes", train=64, val=8, test=8)))
    assert (
        "CNN(\n  family='cnn', units=3, edges=2, layers=[1, 1, 1], image_channels=1, outputs=8, "
        "operators=['conv1x1', 'conv3x3', 'maxpool3x3'], activations=['relu'], normalised\n"
    ) in shown
    assert "SideBySide(units=[0], operator='conv3x3', channels=4, stage=0)" in shown
    assert "Aligned(units=[1], operator='maxpool3x3', channels=4, stage=0)" in shown


def test_a_program() -> None:
    mlp = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    module = module_from_network(extract(mlp, torch.zeros(1, 3)))
    assert repr(module) == (
        "ProgramModule(inputs=[[1, 3]], outputs=[[1, 2]], steps=3 (2 linear, 1 activation))"
    )
