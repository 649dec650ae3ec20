"""The compiled layers, the other layers and the losses, each against its equation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from nnstruct.encode import GraphEncoder
from nnstruct.predictors.gnn.batches import GraphBatch, spans
from nnstruct.predictors.gnn.inference import Questions
from nnstruct.predictors.gnn.layers import LAYERS, apply_layer, layer_shapes, read_out
from nnstruct.predictors.gnn.losses import batch_loss
from nnstruct.predictors.gnn.members import GraphMembers, MemberSettings
from nnstruct.predictors.gnn.network import Dropout, NetworkShape, StructureNet
from nnstruct.structure import Structure

MEMBERS, WIDTH = 2, 5


@pytest.fixture(scope="module")
def structures() -> list[Structure]:
    skips = {"operator": ["input", "conv3x3", "skip_connect", "skip_connect", "output"]}
    cell = Structure([[0, 0, 0, 1, 2, 3], [1, 2, 3, 4, 4, 4]], 5, family="module", attributes=skips)
    recurrent = Structure.from_layers([2, 3, 2], family="rnn_tanh").with_recurrence("reverse")
    return [cell, recurrent, Structure.from_layers([1, 2]), Structure(np.zeros((2, 0), np.int64), 2)]


@pytest.fixture(scope="module")
def batch(structures) -> GraphBatch:
    graphs = GraphEncoder(contract=True).fit(structures).pack(structures)
    return GraphBatch.of(graphs, np.arange(len(structures)))


def matrices(batch: GraphBatch) -> list[torch.Tensor]:
    """One [N, N] matrix a kind of message: how often a unit (row) gets what another (column) sends."""
    found = [torch.zeros(batch.num_units, batch.num_units) for _ in range(4)]
    for sender, receiver, kind, copies in zip(*(part.tolist() for part in batch.edges), strict=True):
        found[kind][receiver, sender] += copies
    return found


def drawn(layer: str, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn((MEMBERS, *shape), generator=generator) * 0.4
        for name, shape in layer_shapes(layer, WIDTH, 4).items()
    }


def test_messages_run_along_and_against_every_edge(batch):
    along, against, delayed, back = matrices(batch)
    assert torch.equal(along.T, against)
    assert torch.equal(delayed.T, back)
    assert along.max() == 2  # two skips of the cell became one edge
    assert delayed.sum() > 0


def test_the_bidirectional_layer_is_its_equation_and_its_slopes_are_those_of_torch(batch):
    w = drawn("bidirectional")
    h = torch.randn(MEMBERS, batch.num_units, WIDTH, generator=torch.Generator().manual_seed(1))
    mask = Dropout(0.3, 5)((MEMBERS, batch.num_units, WIDTH))
    kinds = [kind.to(torch.float64) for kind in matrices(batch)]

    def equation(h, w):
        u = functional.layer_norm(h, (WIDTH,))
        blocks = w["in"].split(WIDTH, dim=1)
        s = u @ blocks[0] + w["in_shift"]
        for kind, block in zip(kinds, blocks[1:], strict=True):
            s = s + kind @ u @ block
        return h + (functional.gelu(s, approximate="tanh") * mask) @ w["out"] + w["out_shift"]

    ours = [h.clone().requires_grad_(), *(one.clone().requires_grad_() for one in w.values())]
    theirs = [one.detach().double().requires_grad_() for one in ours]
    found = apply_layer("bidirectional", ours[0], dict(zip(w, ours[1:], strict=True)), batch, mask)
    expected = equation(theirs[0], dict(zip(w, theirs[1:], strict=True)))
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)
    pull = torch.randn(found.shape, generator=torch.Generator().manual_seed(2))
    slopes = torch.autograd.grad((found * pull).sum(), ours)
    right = torch.autograd.grad((expected * pull).sum(), theirs)
    for one, other in zip(slopes, right, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=2e-4, atol=2e-4)


def test_gine_is_its_equation(batch):
    w = drawn("gine")
    h = torch.randn(MEMBERS, batch.num_units, WIDTH, generator=torch.Generator().manual_seed(1))
    u = functional.layer_norm(h, (WIDTH,))
    z = (1 + w["eps"]) * u
    for sender, receiver, kind, copies in zip(*(part.tolist() for part in batch.edges), strict=True):
        span = np.log1p(abs(int(batch.layer[receiver]) - int(batch.layer[sender])))
        z[:, receiver] += copies * torch.relu(u[:, sender] + w["kind"][:, kind] + span * w["span"][:, 0])
    a = functional.gelu(z @ w["in"] + w["in_shift"], approximate="tanh")
    expected = h + a @ w["out"] + w["out_shift"]
    torch.testing.assert_close(apply_layer("gine", h, w, batch, None), expected, rtol=1e-4, atol=1e-5)


def test_attention_of_each_unit_sums_to_one_over_its_messages(batch):
    w = drawn("attention")
    h = torch.randn(MEMBERS, batch.num_units, WIDTH, generator=torch.Generator().manual_seed(1))
    # Where every value is the same, any mean of values is that value.
    value = torch.randn(MEMBERS, 1, WIDTH, generator=torch.Generator().manual_seed(3))
    w["in"][:, :, WIDTH : 2 * WIDTH] = 0.0
    w["in_shift"][:, :, WIDTH : 2 * WIDTH] = value
    u = functional.layer_norm(h, (WIDTH,))
    s = u @ w["in"][:, :, :WIDTH] + w["in_shift"][:, :, :WIDTH]
    reached = torch.stack(matrices(batch)).sum(dim=(0, 2)) > 0
    s = s + value * reached[None, :, None]
    expected = h + functional.gelu(s, approximate="tanh") @ w["out"] + w["out_shift"]
    torch.testing.assert_close(apply_layer("attention", h, w, batch, None), expected, rtol=1e-4, atol=1e-5)


def test_pna_takes_mean_extremes_and_spread(batch):
    w = drawn("pna")
    h = torch.randn(MEMBERS, batch.num_units, WIDTH, generator=torch.Generator().manual_seed(1))
    u = functional.layer_norm(h, (WIDTH,))
    brought: dict[int, list] = {v: [] for v in range(batch.num_units)}
    for sender, receiver, kind, copies in zip(*(part.tolist() for part in batch.edges), strict=True):
        span = np.log1p(abs(int(batch.layer[receiver]) - int(batch.layer[sender])))
        one = u[:, sender] + w["kind"][:, kind] + span * w["span"][:, 0]
        brought[receiver] += [one] * int(copies)
    rows = []
    for v, messages in brought.items():
        some = torch.stack(messages) if messages else torch.zeros(1, MEMBERS, WIDTH)
        spread = torch.sqrt(some.var(dim=0, unbiased=False) + 1e-5)
        four = torch.cat([some.mean(dim=0), some.amax(dim=0), some.amin(dim=0), spread], dim=1)
        rows.append(torch.cat([u[:, v], four, four * np.log1p(len(messages))], dim=1))
    x = torch.stack(rows, dim=1)
    a = functional.gelu(x @ w["in"] + w["in_shift"], approximate="tanh")
    expected = h + a @ w["out"] + w["out_shift"]
    torch.testing.assert_close(apply_layer("pna", h, w, batch, None), expected, rtol=1e-4, atol=2e-4)


def test_the_read_out_is_sum_mean_and_maximum_and_so_are_its_slopes(batch):
    h = torch.randn(MEMBERS, batch.num_units, WIDTH, generator=torch.Generator().manual_seed(1))
    ours, theirs = h.clone().requires_grad_(), h.clone().requires_grad_()
    found = read_out(ours, batch, 3.0)
    parts = [theirs[:, low:high] for low, high in zip(batch.start[:-1], batch.start[1:], strict=True)]
    expected = torch.stack(
        [torch.cat([p.sum(dim=1) / 3.0, p.mean(dim=1), p.amax(dim=1)], dim=1) for p in parts], dim=1
    )
    torch.testing.assert_close(found, expected)
    pull = torch.randn(found.shape, generator=torch.Generator().manual_seed(2))
    (found * pull).sum().backward()
    (expected * pull).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize(
    ("layer", "normed"), [*((layer, False) for layer in LAYERS), ("bidirectional", True)]
)
def test_graphs_and_members_do_not_mix(structures, batch, layer, normed):
    shape = NetworkShape(batch.nodes.shape[1], batch.graph.shape[1], 6, 2, 3, layer, True, 2, normed)
    net = StructureNet.drawn(shape, 4.0, torch.Generator().manual_seed(0))
    net.weights["last"].normal_(generator=torch.Generator().manual_seed(1))
    together = net(batch)
    graphs = GraphEncoder(contract=True).fit(structures).pack(structures)
    for place in range(len(structures)):
        alone = net(GraphBatch.of(graphs, np.array([place])))
        torch.testing.assert_close(alone[:, 0], together[:, place], rtol=1e-4, atol=1e-5)
    single = {name: one[1:2] for name, one in net.weights.items()}
    one = StructureNet(NetworkShape(*[*vars(shape).values()][:4], 1, layer, True, 2, normed), single, 4.0)
    torch.testing.assert_close(one(batch)[0], together[1], rtol=1e-4, atol=1e-5)
    if layer == "bidirectional":
        torch.testing.assert_close(Questions(net)(batch), together, rtol=1e-4, atol=1e-5)


def test_what_is_read_out_is_normalised_over_its_columns(batch):
    shape = NetworkShape(batch.nodes.shape[1], batch.graph.shape[1], 6, 2, 3, normed=True)
    pooled = torch.randn((3, 4, 18), generator=torch.Generator().manual_seed(0))
    found = StructureNet.drawn(shape, 4.0, torch.Generator()).normalise(pooled)
    away = pooled - pooled.mean(dim=2, keepdim=True)
    expected = away / (away.square().mean(dim=2, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(found, expected)
    plain = StructureNet.drawn(replace(shape, normed=False), 4.0, torch.Generator())
    assert plain.normalise(pooled) is pooled


def test_a_pass_holds_no_more_than_it_may(structures):
    graphs = GraphEncoder().fit(structures).pack(structures)
    chosen = np.array([3, 0, 1, 2, 0])
    parts = list(spans(graphs, chosen, 8, 2))
    assert np.concatenate(parts).tolist() == chosen.tolist()
    sizes = np.diff(graphs.unit_start)
    assert all(len(part) <= 2 and (len(part) == 1 or sizes[part].sum() <= 8) for part in parts)


def test_losses_are_their_equations():
    generator = torch.Generator().manual_seed(0)
    output = torch.randn(2, 4, 2, generator=generator)
    target = torch.tensor([[0.1, 1.0, -0.5, 1.0], [0.2, 2.0, -1.0, 2.0]])
    weight = torch.tensor([[1.0, 2.0, 0.5, 1.0], [1.0, 0.0, 3.0, 1.0]])
    score = output[..., 0]
    for member in range(2):
        s, t, w = score[member], target[member], weight[member]
        squared = (w * (s - t) ** 2).sum() / w.sum()
        torch.testing.assert_close(batch_loss("squared", output, target, weight)[member], squared)
        variance = torch.exp(output[member, :, 1])
        likelihood = 0.5 * (torch.log(variance) + (s - t) ** 2 / variance)
        gaussian = (w * variance.sqrt() * likelihood).sum() / w.sum()
        torch.testing.assert_close(batch_loss("gaussian", output, target, weight)[member], gaussian)
        pairs = [(i, j) for i in range(4) for j in range(4) if t[i] > t[j]]
        total = sum(w[i] * w[j] for i, j in pairs)
        pairwise = sum(w[i] * w[j] * torch.log1p(torch.exp(s[j] - s[i])) for i, j in pairs) / total
        torch.testing.assert_close(batch_loss("pairwise", output, target, weight)[member], pairwise)
        order = [i for i in (1, 3, 0, 2) if w[i] > 0]
        listed = sum(w[i] * (torch.logsumexp(s[order[place:]], 0) - s[i]) for place, i in enumerate(order))
        torch.testing.assert_close(batch_loss("listmle", output, target, weight)[member], listed / w.sum())


def test_dropout_keeps_the_mean_and_the_share():
    mask = Dropout(0.25, 3)((200, 100))
    assert sorted(set(mask.flatten().tolist())) == [0.0, pytest.approx(4 / 3)]
    assert float(mask.mean()) == pytest.approx(1.0, abs=0.02)


def test_members_whose_lines_are_no_two_numbers_are_not_restored(structures):
    members = GraphMembers(MemberSettings(hidden=4, layers=1, max_epochs=1))
    count = len(structures)
    members.fit(structures, np.arange(count, dtype=float), np.ones((1, count)))
    state = members.state()
    values, arrays = state.values, state.arrays
    assert members.restore(values, arrays).line.shape == (1, 2)
    for line in ([[1.0]], [1.0, 2.0], [[1.0, float("nan")]], [[]]):
        with pytest.raises(ValueError, match="no two finite numbers"):
            members.restore({**values, "line": line}, arrays)
