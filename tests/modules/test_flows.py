"""Networks of ``discretised-ode`` follow their equation: steps by hand, Jacobians, and one K for all."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from nnstruct import Structure, TrainConfig
from nnstruct.errors import InvalidInputError
from nnstruct.modules import build_module, module_from_network
from nnstruct.modules.cnn.operators import HAMILTONIAN_STEP, contraction, expansion, hamiltonian, norm_bound
from nnstruct.modules.parameters import count_parameters
from nnstruct.population import train
from nnstruct.priors import DiscretisedODE
from nnstruct.priors.sampling import sample
from nnstruct.pruning import fit
from nnstruct.structure.space import Space
from nnstruct.tasks import Task

RNG = np.random.default_rng(0)
VECTORS = Task.from_arrays("vectors", RNG.normal(size=(60, 4)), [0, 1, 1] * 20)
IMAGES = Task.from_arrays("images", RNG.normal(size=(40, 1, 8, 8)), [0, 1] * 20)
STRINGS = Task.from_sequences("toy", ["ab", "ba", "bb", "aabb", "bbab", "abba"] * 4, [0, 1, 0, 1, 1, 0] * 4)
TASKS = {"mlp": VECTORS, "cnn": IMAGES, "rnn_tanh": STRINGS, "rnn_relu": STRINGS}


def ode(flow: str, tied: int = 1, **options) -> DiscretisedODE:
    settings = {"lift": 2, "width": 6, "steps": 4, "field": 5, "density": 0.7} | options
    return DiscretisedODE(flow=flow, tied=tied, **settings)


def opened(structure: Structure, seed: int = 0, biases: bool = True):
    """The perceptron in double precision with every unit read out, and the places of its units."""
    module = build_module(structure, VECTORS, seed=seed).double()
    if biases:
        with torch.no_grad():
            module.bias.copy_(torch.from_numpy(np.random.default_rng(seed).normal(size=module.bias.shape)))
    module.kept = module.parameters_by_name()
    return opened_as(module, structure)


def opened_as(module, structure: Structure):
    """The perceptron with every unit read out, and the places of its units."""
    module._output_places = np.arange(structure.num_units)
    module.readout = torch.nn.Identity()
    return module, np.argsort(module.order.numpy())


def states_of(structure: Structure) -> list[np.ndarray]:
    """The units of each state, following the residual edges."""
    following = dict(structure.edge_index[:, structure.residual].T.tolist())
    first = sorted(set(following) - set(following.values()))
    found = [np.array(first)]
    while all(unit in following for unit in found[-1]):
        found.append(np.array([following[unit] for unit in found[-1]]))
    return found


def jacobians(module, place, first, last) -> torch.Tensor:
    """Of a state by an earlier one, at a random input: what is put on the first state's bias moves it."""
    x = torch.from_numpy(RNG.normal(size=(1, 4)))
    bias = module.bias.detach().clone()

    def moved(shift):
        changed = bias.index_add(0, torch.from_numpy(place[first]), shift)
        return torch.func.functional_call(module, {"bias": changed}, (x,))[0, place[last]]

    by_shift = torch.autograd.functional.jacobian(moved, torch.zeros(len(first), dtype=torch.float64))
    by_first = torch.autograd.functional.jacobian(
        lambda shift: torch.func.functional_call(
            module, {"bias": bias.index_add(0, torch.from_numpy(place[first]), shift)}, (x,)
        )[0, place[first]],
        torch.zeros(len(first), dtype=torch.float64),
    )
    return by_shift @ torch.linalg.pinv(by_first)


@pytest.mark.parametrize("tied", [1, 2, 4])
def test_a_gradient_flow_by_hand(tied):
    structure = ode("gradient-flow", tied).sample(3, family="mlp")
    module, place = opened(structure)
    value = dict(enumerate(module(torch.from_numpy(RNG.normal(size=(7, 4))))[:, place].T))
    weight = dict(zip(map(tuple, structure.edge_index.T.tolist()), module.kept["weight"][:, 0], strict=True))
    bias = module.kept["bias"][:, 0]
    kernels, sizes = [], []
    for old, new in pairwise(states_of(structure)):
        fields = sorted({s for s, t in weight if t in new} - set(old.tolist()))
        K = torch.tensor([[float(weight.get((j, i), 0)) for j in old] for i in fields], dtype=torch.float64)
        again = torch.tensor(
            [[float(weight.get((i, j), 0)) for j in new] for i in fields], dtype=torch.float64
        )
        torch.testing.assert_close(K, again)  # the transpose has the same weights
        x = torch.stack([value[int(u)] for u in old])
        force = torch.relu(K @ x + torch.from_numpy(bias[fields].astype(float))[:, None])
        step, slope = x - torch.stack([value[int(u)] for u in new]), K.T @ force
        size = (step * slope).sum() / slope.square().sum().clamp_min(1e-12)
        torch.testing.assert_close(step, size * slope, rtol=1e-5, atol=1e-6)  # one step size for all
        if slope.abs().max() > 1e-3:  # else the potential has nothing left to give
            sizes.append(float(size * torch.linalg.matrix_norm(K, 2) ** 2))
        kernels.append((K, bias[fields]))
    assert sizes
    assert all(1.5 < size <= 2.0 + 1e-5 for size in sizes)
    for place, (before, after) in enumerate(pairwise(kernels), start=1):
        same = torch.equal(before[0], after[0]) and np.array_equal(before[1], after[1])
        assert same == (place % tied != 0)


@pytest.mark.parametrize("density", [0.3, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_gradient_flow_brings_no_states_apart(seed, density):
    structure = ode("gradient-flow", density=density, steps=6, width=8, field=8).sample(seed, family="mlp")
    module, place = opened(structure, seed)
    states = states_of(structure)
    norms = [float(torch.linalg.matrix_norm(jacobians(module, place, states[0], s), 2)) for s in states[1:]]
    assert max(norms) <= 1 + 1e-6
    old = DiscretisedODE(
        **(ode("gradient-flow", density=density, steps=6, width=8, field=8).model_dump() | {"edition": 1})
    )
    assert not old.sample(seed, family="mlp").residual.any()


@pytest.mark.parametrize("tied", [1, 4])
@pytest.mark.parametrize("seed", range(3))
def test_a_hamiltonian_flow_is_symplectic(seed, tied):
    structure = ode("hamiltonian", tied, width=6, field=5).sample(seed, family="mlp")
    structure = replace(
        structure, attributes={**structure.attributes, "activation": ("tanh",) * structure.num_units}
    )
    module, place = opened(structure, seed)
    first, *_, last = states_of(structure)
    omega = torch.zeros(6, 6, dtype=torch.float64)
    omega[:3, 3:], omega[3:, :3] = torch.eye(3), -torch.eye(3)
    jacobian = jacobians(module, place, first, last)
    assert float((jacobian.T @ omega @ jacobian - omega).abs().max()) < 1e-6
    assert float((jacobian - torch.eye(6)).abs().max()) > 0.1


def test_a_hamiltonian_cell_is_symplectic():
    torch.manual_seed(0)
    channels, size = 4, 5
    kernel = 0.3 * torch.randn(channels // 2, channels // 2, 3, 3, dtype=torch.float64)
    bias = torch.randn(channels, dtype=torch.float64)
    x = torch.randn(channels * size * size, dtype=torch.float64)
    half = len(x) // 2
    omega = torch.zeros(len(x), len(x), dtype=torch.float64)
    omega[:half, half:], omega[half:, :half] = torch.eye(half), -torch.eye(half)
    jacobian = torch.autograd.functional.jacobian(
        lambda v: hamiltonian(v.view(1, channels, size, size), kernel, bias, "tanh").flatten(), x
    )
    assert float((jacobian.T @ omega @ jacobian - omega).abs().max()) < 1e-12
    assert float((jacobian - torch.eye(len(x))).abs().max()) > HAMILTONIAN_STEP / 10


@pytest.mark.parametrize("family", TASKS)
@pytest.mark.parametrize("flow", ["gradient-flow", "hamiltonian", "expand-contract"])
def test_what_is_tied_stays_so_through_training(family, flow):
    prior = ode(flow, tied=4, **({"field": 0, "width": 2} if family == "cnn" else {}))
    structure, task = prior.sample(1, family=family), TASKS[family]
    if family == "cnn":
        structure = replace(
            structure, attributes={**structure.attributes, "channels": (4,) * structure.num_units}
        )
    config = TrainConfig(epochs=4, batch_size=16, learning_rate=0.01)
    (record,) = train([structure], task, seeds=1, config=config)
    assert record.status == "ok"
    assert record.train_loss[-1] < record.train_loss[0]
    module = build_module(structure, task, config)
    own = sum(p.numel() for p in module.parameters())
    free = TrainConfig(epochs=1)
    loose = ode(flow, tied=1, **({"field": 0, "width": 2} if family == "cnn" else {})).sample(
        1, family=family
    )
    if family == "cnn":
        loose = replace(loose, attributes={**loose.attributes, "channels": (4,) * loose.num_units})
        assert record.parameters == own
    assert record.parameters < count_parameters(loose, task, free)
    network = module_from_network(module.to_network()).to_network()
    np.testing.assert_array_equal(network.weight, module.to_network().weight)
    np.testing.assert_array_equal(network.bias, module.to_network().bias)


def test_a_chain_of_cells_brings_no_maps_apart():
    prior = DiscretisedODE(lift=1, width=2, steps=5, field=0, flow="gradient-flow", density=1.0, tied=5)
    structure = prior.sample(0, family="cnn")
    structure = replace(
        structure, attributes={**structure.attributes, "channels": (4,) * structure.num_units}
    )
    module = build_module(structure, IMAGES).double().eval()
    found = {}
    for block in module.blocks:
        block.register_forward_hook(
            lambda b, _, made: found.setdefault(b.block.units, []).append(made.detach())
        )
    x = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    module(x)
    module(x + 1e-3 * torch.randn_like(x))
    apart = {units: float((one - two).norm()) for units, (one, two) in found.items()}
    for source, target in structure.forward_edges.T.tolist():
        if source > 2:
            assert apart[(target,)] <= apart[(source,)] * (1 + 1e-9)
    kernels = [block.own_kernel for block in module.blocks if hasattr(block, "own_kernel")]
    assert len({id(kernel) for kernel in kernels}) == 2
    assert len(kernels) == 10


@pytest.mark.parametrize(
    ("density", "steps", "tied", "activation"),
    [(1.0, 6, 1, "relu"), (0.4, 5, 1, "tanh"), (1.0, 4, 2, "relu")],
)
def test_steps_that_expand_and_contract_in_turn_bring_no_states_apart(density, steps, tied, activation):
    """Before training and after it; each step by hand, and the chain by automatic differentiation."""
    prior = ode("expand-contract", tied, lift=3, width=5, field=6, density=density, steps=steps)
    structure = prior.sample(2, family="mlp")
    structure = replace(
        structure, attributes={**structure.attributes, "activation": (activation,) * structure.num_units}
    )
    states, x = states_of(structure), torch.from_numpy(RNG.normal(size=(7, 4)))
    assert len(states) == steps + 1
    config = TrainConfig(epochs=10, batch_size=20, learning_rate=0.1)
    fresh = build_module(structure, VECTORS, config, seed=0)
    trained, _ = fit(fresh, VECTORS, config, seed=0)
    assert not torch.allclose(trained.weight, fresh.weight, atol=0.2)
    for module in (fresh.double(), trained.double()):
        with torch.no_grad():  # so that the first state can take any value
            module.bias[np.argsort(module.order.numpy())[states[0]]] += 20.0 * (activation == "relu")
        module, place = opened_as(module, structure)
        weight = module._ties.weights(module.weight * module.mask)[0].detach()
        value = module(x).detach()
        for step, (old, new) in enumerate(pairwise(states)):
            expands = (steps - step) % 2 == 0
            field = new[0] - 6 + np.arange(6)
            K, bias = (
                weight[place[field]][:, place[old]],
                module.bias.detach()[module._ties.bias_owner[place[field]]],
            )
            norm, before = torch.linalg.matrix_norm(K, 2), value[:, place[old]]
            force = getattr(torch, activation)(before @ K.T + bias) @ K / norm**2
            after = before + force if expands else before - (before + force) / 2
            torch.testing.assert_close(value[:, place[new]], after, rtol=0.1, atol=0.02)
        slopes = [jacobians(module, place, states[0], state) for state in states]
        norms = [float(torch.linalg.matrix_norm(slope, 2)) for slope in slopes]
        assert norms[0] == pytest.approx(1.0)
        first = torch.linalg.svdvals(slopes[1])
        if steps % 2:
            assert max(norms) <= 1 + 1e-6
            assert float(first.max()) <= 0.5 + 1e-6
        else:
            assert float(first.min()) >= 1 - 1e-6
            assert 1.5 < float(first.max()) <= 2 + 1e-6
        assert max(norms[steps % 2 :: 2]) <= 1 + 1e-6
        assert max(big / small for small, big in pairwise(norms)) > 1.05  # there are steps that expand


def test_a_contraction_is_the_papers_step_where_k_is_orthogonal():
    """x - h K^T s(K x + b) with the leaky relu of slope 1/2, but for the shift h K^T b / 2."""
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64, generator=generator)).Q
    kernel = torch.zeros(4, 4, 3, 3, dtype=torch.float64)
    kernel[:, :, 1, 1] = turn
    scale = float(norm_bound(kernel))  # of the bound, which is not tight; the kernel's own norm is 1
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64, generator=generator)
    bias = torch.randn(4, dtype=torch.float64, generator=generator)
    z = torch.einsum("ij,bjhw->bihw", turn, x) + bias[:, None, None]
    leaky = torch.nn.functional.leaky_relu(z, 0.5) - bias[:, None, None] / 2
    papers = x - torch.einsum("ij,bihw->bjhw", turn, leaky)
    ours = contraction(x, kernel, bias, "relu")
    # The part that the norm divides, on its own: with the tight norm the two are equal.
    torch.testing.assert_close((ours - x / 2) * scale**2 + x / 2, papers)
    torch.testing.assert_close((expansion(x, kernel, bias, "relu") - x) * scale**2, -2 * (papers - x / 2))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_cells_expand_and_contract_within_their_bounds(activation):
    generator = torch.Generator().manual_seed(1)
    kernel = torch.randn(3, 3, 3, 3, dtype=torch.float64, generator=generator)
    bias = torch.randn(3, dtype=torch.float64, generator=generator)
    x = torch.randn(3 * 16, dtype=torch.float64, generator=generator)
    values = {}
    for step in (expansion, contraction):
        slopes = torch.autograd.functional.jacobian(
            lambda v, step=step: step(v.view(1, 3, 4, 4), kernel, bias, activation).flatten(), x
        )
        values[step] = torch.linalg.svdvals(slopes)
    assert 1.02 < float(values[expansion].max()) <= 2
    assert float(values[expansion].min()) >= 1 - 1e-9
    assert 0 <= float(values[contraction].min()) < 0.49
    assert float(values[contraction].max()) <= 0.5 + 1e-9


def test_an_earlier_edition_has_no_steps_in_turn():
    with pytest.raises(InvalidInputError, match="flow"):
        ode("expand-contract", edition=1)
    chain = DiscretisedODE(lift=1, width=1, steps=3, field=0, flow="expand-contract").sample(0, family="cnn")
    steps = ("contraction3x3", "expansion3x3", "contraction3x3")
    assert chain.attributes["operator"][2:] == steps


def test_gates_have_no_flows():
    gated = ode("gradient-flow").sample(0, family="lstm")
    assert gated.residual.any()
    assert not gated.attributes
    build_module(gated, STRINGS)
    with pytest.raises(InvalidInputError, match="name no flow and no tie for the family 'lstm'"):
        build_module(replace(ode("gradient-flow").sample(0, family="rnn_tanh"), family="lstm"), STRINGS)


def test_a_space_of_neurons_gets_flows_that_can_be_built():
    for structure in sample(Space("mlp", units=(4, 30)), 12, seed=1, priors=["discretised-ode"], edition=2):
        build_module(structure, VECTORS)
        assert structure.residual.any()
