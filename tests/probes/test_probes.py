"""Probes: inputs that can be varied, ranks, kernels and zero-cost scores against plain versions."""

from __future__ import annotations

import copy
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from nnstruct import Network, Structure, TrainConfig, load_task
from nnstruct.errors import InvalidInputError, UnknownNameError
from nnstruct.modules import build_module
from nnstruct.probes import PROBE_FAMILIES, functional_features, layer_probes
from nnstruct.probes.numerics import effective_rank, jacobians, numerical_rank
from nnstruct.probes.subject import Situation, subject_of
from nnstruct.tasks import Task

ALL = tuple(PROBE_FAMILIES)
EDGES = [[0, 1, 2, 2, 3, 4, 0, 1], [2, 2, 3, 4, 5, 5, 3, 5]]  # layers of 2, 1, 2 and 1 units, skips


@pytest.fixture(scope="module")
def reber() -> Task:
    return load_task("reber")


@pytest.fixture(scope="module")
def vectors() -> Task:
    x = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
    return Task.from_arrays("sign", x, (x[:, 0] + x[:, 1] > 0).astype(int))


def recurrent(family: str, protocol: str, task: Task, seed: int = 0) -> nn.Module:
    structure = Structure(EDGES, 6, family=family).with_recurrence("layer")
    return build_module(structure, task, TrainConfig(protocol=protocol), seed=seed)


def linear(task: Task, seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3, bias=False), nn.Linear(3, 2))


CASES = [(family, "clean") for family in ("rnn_tanh", "rnn_relu", "gru", "lstm")]
CASES += [(family, protocol) for family in ("rnn_tanh", "gru") for protocol in ("faithful", "corrected")]


@pytest.mark.parametrize(("family", "protocol"), CASES)
def test_encoded_symbols_give_the_modules_own_scores(family, protocol, reber):
    module = recurrent(family, protocol, reber).double()
    situation = Situation(module, reber, None, 20, 0)
    expected = module(torch.from_numpy(situation.batch.inputs), torch.from_numpy(situation.batch.lengths))
    found = situation.subject.scores(situation.x, situation.lengths)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("family", "protocol"), CASES)
def test_states_are_what_the_read_out_sees(family, protocol, reber):
    module = recurrent(family, protocol, reber)
    situation = Situation(module, reber, None, 12, 0)
    assert [state.shape for state in situation.states] == [(12, width) for width in (2, 1, 2, 1)]
    scores = situation.subject.scores(situation.x, situation.lengths)
    seen = situation.states[-1]  # the last layer holds the one output unit
    torch.testing.assert_close(situation.subject.module.readout(seen), scores)


@pytest.mark.parametrize("protocol", ["clean", "faithful"])
def test_derivatives_by_encoded_symbols_equal_differences(protocol, reber):
    subject = subject_of(recurrent("gru", protocol, reber), reber)
    x, lengths = (
        part[:3]
        for part in Situation(recurrent("gru", protocol, reber), reber, None, 8, 0).subject.encode(
            reber.train
        )
    )
    slopes = jacobians(lambda z: subject.scores(z, lengths), x)  # [3, C, T * S]
    rng, step = np.random.default_rng(0), 1e-6
    for place in rng.permutation(x[0].numel())[:5]:
        moved = x.flatten(1).clone()
        moved[:, place] += step
        with torch.no_grad():
            change = (subject.scores(moved.view_as(x), lengths) - subject.scores(x, lengths)) / step
        torch.testing.assert_close(slopes[:, :, place], change, atol=1e-5, rtol=1e-4)


def test_layers_of_any_module(vectors):
    module = linear(vectors)
    situation = Situation(module, vectors, None, 10, 0)
    x = situation.x
    copied = copy.deepcopy(module).double()
    torch.testing.assert_close(situation.states[1], copied[2](torch.tanh(copied[0](x))))
    assert len(situation.states) == 3


def test_ranks_by_hand(vectors):
    # 6 inputs through a width of 2: nothing behind it has a higher rank.
    module = nn.Sequential(
        nn.Linear(6, 2, bias=False), nn.Linear(2, 5, bias=False), nn.Linear(5, 2, bias=False)
    )
    table = layer_probes(module, vectors, samples=16)
    assert table["width"].tolist() == [2, 5, 2]
    assert table["feature_rank"].tolist() == [2, 2, 2]
    assert table["partial_rank"].tolist() == [2, 2, 2]
    assert table["feature_rank_share"].tolist() == [1, 2 / 5, 1]
    row = functional_features([module], vectors, ["ranks"], samples=16).iloc[0]
    product = np.linalg.multi_dot(
        [layer.weight.detach().double().numpy() for layer in (module[2], module[1], module[0])]
    )
    assert row["ranks.lipschitz_max"] == pytest.approx(np.linalg.norm(product, 2))
    assert row["ranks.lipschitz_mean"] == pytest.approx(np.linalg.norm(product, 2))
    assert row["ranks.partial_rank_drop"] == 0


def test_numerical_ranks():
    assert numerical_rank(torch.diag(torch.tensor([1.0, 0.5, 1e-5]))).item() == 2
    assert numerical_rank(torch.zeros(2, 3, 3)).tolist() == [0, 0]
    assert effective_rank(torch.ones(4)) == pytest.approx(4)
    assert effective_rank(torch.zeros(4)) == 0


def test_distance_from_initialisation(vectors):
    module, start = linear(vectors, 1), linear(vectors, 0)
    row = functional_features([module], vectors, ["gram"], initial=[start], samples=16).iloc[0]
    x = Situation(module, vectors, None, 16, 0).x
    after, before = (m.double()[0](x).detach().numpy() for m in (copy.deepcopy(module), copy.deepcopy(start)))
    assert row["gram.moved_first"] == pytest.approx(np.linalg.norm(after - before) / np.linalg.norm(before))
    kernel, initial = after @ after.T, before @ before.T
    moved = np.linalg.norm(kernel - initial) / np.linalg.norm(initial)
    assert row["gram.kernel_moved_first"] == pytest.approx(moved)
    overlap = (kernel * initial).sum() / np.linalg.norm(kernel) / np.linalg.norm(initial)
    assert row["gram.alignment_first"] == pytest.approx(overlap)
    assert row["gram.rank_share_first"] == 4 / 16


def test_a_module_is_at_no_distance_from_itself(reber):
    module = recurrent("lstm", "clean", reber)
    row = functional_features([module], reber, ["gram"], initial=[module], samples=10).iloc[0]
    moved = [
        row[f"gram.{name}_{part}"] for name in ("moved", "kernel_moved") for part in ("first", "last", "min")
    ]
    assert moved == [0] * 6
    assert row["gram.alignment_min"] == pytest.approx(1)
    alone = functional_features([module], reber, ["gram"], samples=10).iloc[0]
    assert math.isnan(alone["gram.moved_first"])
    assert alone["gram.rank_share_mean"] == row["gram.rank_share_mean"]


def test_zero_cost_scores_of_a_linear_module(vectors):
    module = nn.Linear(6, 2)
    row = functional_features([module], vectors, ["zero_cost"], samples=12).iloc[0]
    situation = Situation(module, vectors, None, 12, 0)
    x, y = situation.x.numpy(), np.eye(2)[situation.targets.numpy()]
    weight, bias = module.weight.detach().double().numpy(), module.bias.detach().double().numpy()
    scores = x @ weight.T + bias
    share = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    by_weight, by_bias = (share - y).T @ x / 12, (share - y).mean(0)
    snip = np.abs(weight * by_weight).sum() + np.abs(bias * by_bias).sum()
    assert row["zero_cost.log_snip"] == pytest.approx(math.log(snip))
    norm = math.sqrt((by_weight**2).sum() + (by_bias**2).sum())
    assert row["zero_cost.log_gradient"] == pytest.approx(math.log(norm))
    assert row["zero_cost.log_synflow"] == pytest.approx(math.log(np.abs(weight).sum() + np.abs(bias).sum()))
    # All examples have the same derivatives: one eigenvalue is 12 and the others 0.
    values = np.array([12.0] + [0.0] * 11) + 1e-5
    assert row["zero_cost.jacobian_covariance"] == pytest.approx(
        -(np.log(values) + 1 / values).mean(), rel=1e-3
    )
    signs = scores > 0
    kernel = (signs[:, None] == signs[None]).mean(2) + 1e-6 * np.eye(12)
    assert row["zero_cost.naswot"] == pytest.approx(np.linalg.slogdet(kernel)[1] / 12, rel=1e-4)


def test_masked_weights_add_nothing(reber):
    module = recurrent("rnn_tanh", "clean", reber)
    disturbed = copy.deepcopy(module)
    with torch.no_grad():
        disturbed.forward_weight += (1 - disturbed.forward_mask) * 3
    rows = functional_features([module, disturbed], reber, ["ranks", "zero_cost", "gram"], samples=8)
    np.testing.assert_allclose(rows.iloc[0], rows.iloc[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("family", ["rnn_tanh", "lstm"])
def test_relabelling_changes_nothing(family, reber):
    network = recurrent(family, "clean", reber).to_network()
    old = network.structure
    permutation = np.array([4, 2, 0, 5, 1, 3])
    new = old.relabel(permutation)
    at = {(int(permutation[u]), int(permutation[v]), bool(r)): e
          for e, (u, v, r) in enumerate(zip(*old.edge_index, old.recurrent, strict=True))}  # fmt: skip
    order = [at[int(u), int(v), bool(r)] for u, v, r in zip(*new.edge_index, new.recurrent, strict=True)]
    units = np.argsort(permutation)
    tensors = dict(network.tensors)
    tensors["input_weight"] = tensors["input_weight"][
        [(np.cumsum(old.inputs) - 1)[u] for u in units if old.inputs[u]]
    ]
    columns = [(np.cumsum(old.outputs) - 1)[u] for u in units if old.outputs[u]]
    tensors["readout_weight"] = tensors["readout_weight"][:, columns]
    moved = Network(new, network.weight[order], network.bias[units], tensors)
    table = functional_features([network, moved], reber, ALL, samples=10)
    np.testing.assert_allclose(table.iloc[0], table.iloc[1], rtol=1e-7, atol=1e-9)


def test_columns_seeds_and_copies(reber):
    modules = [recurrent(family, "clean", reber) for family in ("rnn_tanh", "gru")]
    before = copy.deepcopy(modules[0].state_dict())
    table = functional_features(modules, reber, samples=6)
    names = [
        column
        for family in ("ranks", "gram", "zero_cost", "surrogates")
        for column in PROBE_FAMILIES[family].columns
    ]
    assert list(table.columns) == names
    assert (table.dtypes == np.float64).all()
    assert table.filter(regex="^(?!gram.*(moved|alignment))").notna().all().all()
    assert all(torch.equal(value, modules[0].state_dict()[name]) for name, value in before.items())
    assert modules[0].forward_weight.dtype == torch.float32
    again = functional_features(modules[1:], reber, samples=6)
    np.testing.assert_array_equal(table.iloc[1], again.iloc[0])
    other = functional_features(modules[1:], reber, samples=6, seed=1)
    assert (other.iloc[0] != again.iloc[0]).any()


def test_every_family_says_what_it_measures():
    for name in ALL:
        assert PROBE_FAMILIES[name].name == name
        assert PROBE_FAMILIES[name].source
        assert all(PROBE_FAMILIES[name].measures.values())


def test_a_dead_module_is_measured(vectors):
    module = nn.Linear(6, 2)
    nn.init.zeros_(module.weight)
    nn.init.zeros_(module.bias)
    row = functional_features(
        [module], vectors, ["ranks", "gram", "zero_cost"], initial=[module], samples=8
    ).iloc[0]
    assert (
        row["ranks.feature_rank_first"] == row["ranks.partial_rank_last"] == row["ranks.lipschitz_max"] == 0
    )
    assert row["gram.rank_share_mean"] == 0
    undefined = {name for name, value in row.items() if math.isnan(value) and not name.startswith("gram.")}
    assert undefined == {"zero_cost.log_snip", "zero_cost.log_synflow", "zero_cost.jacobian_covariance"}
    assert math.isnan(row["gram.moved_first"])


@pytest.mark.parametrize(
    ("modules", "options", "message"),
    [
        ([], {}, "modules must hold at least one"),
        ([3], {}, r"modules\[0\] must be a torch module or a Network"),
        (nn.Linear(6, 2), {}, r"Write \[module\]"),
        ([nn.Linear(6, 2)], {"initial": []}, "initial must hold at least one"),
        ([nn.Linear(6, 2)], {"initial": [nn.Linear(6, 2)] * 2}, "initial must hold 1 modules"),
        ([nn.Linear(6, 2)], {"samples": 1}, "samples must be an integer of at least 2"),
        ([nn.Linear(6, 2)], {"samples": True}, "samples must be an integer of at least 2"),
        ([nn.Linear(6, 2)], {"seed": -1}, "seed must be a non-negative integer"),
        ([nn.Linear(6, 2)], {"families": "gram"}, r'Write families=\("gram",\)'),
        ([nn.Linear(6, 2)], {"families": ["gram", "gram"]}, "name each family once"),
        ([nn.Linear(6, 3)], {}, r"module must give scores of shape \[B, 2\]"),
        ([nn.Linear(6, 2)], {"initial": [nn.Sequential(nn.Linear(6, 2), nn.Linear(2, 2))]}, "of the widths"),
    ],
)  # fmt: skip
def test_bad_input(modules, options, message, vectors):
    with pytest.raises(InvalidInputError, match=message):
        functional_features(modules, vectors, **options)


def test_modules_and_tasks_must_fit(reber, vectors):
    with pytest.raises(InvalidInputError, match="task must hold sequences"):
        functional_features([recurrent("gru", "clean", reber)], vectors)
    with pytest.raises(InvalidInputError, match="module must be one that build_module made"):
        functional_features([nn.Linear(6, 2)], reber)
    other = Task.from_sequences("abc", ["ab", "ba", "abc", "cab"] * 5, [0, 1, 0, 1] * 5)
    for protocol in ("clean", "faithful"):
        with pytest.raises(InvalidInputError, match=r"task\.num_symbols must be 27"):
            functional_features([recurrent("gru", protocol, reber)], other)


def test_unknown_family_names_what_is_near(vectors):
    with pytest.raises(UnknownNameError, match="Did you mean 'ranks'"):
        functional_features([nn.Linear(6, 2)], vectors, ["rank"])


def test_import_leaves_torch_alone():
    code = "import sys, nnstruct.probes; print([m for m in ('torch', 'pandas') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
