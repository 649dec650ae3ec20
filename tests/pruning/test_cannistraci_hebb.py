"""Cannistraci-Hebb training: scores against their definition over all paths, and what moves where."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from pruning_networks import digits, mlp
from torch import nn

from nnstruct import TrainConfig
from nnstruct.errors import InvalidInputError
from nnstruct.pruning import load_pruner, masks_of
from nnstruct.pruning.methods import link_scores as scoring
from nnstruct.pruning.methods.hebbian_formulas import sigmoid_share
from nnstruct.pruning.methods.link_scores import LINK_SCORES, link_scores
from nnstruct.pruning.methods.percolation import active_units, percolated
from nnstruct.pruning.methods.receptive_fields import receptive_fields
from nnstruct.pruning.training.hooks import TrainingPlace

CONFIG = TrainConfig(epochs=4, batch_size=48, learning_rate=3e-3)


def by_definition(links: np.ndarray, score: str) -> np.ndarray:
    """Of each pair without a link: its paths of length three, its community, and their links one by one."""
    nodes = [("o", i) for i in range(links.shape[0])] + [("i", j) for j in range(links.shape[1])]
    near: dict = {node: set() for node in nodes}
    for i, j in zip(*np.nonzero(links), strict=True):
        near["o", i].add(("i", j))
        near["i", j].add(("o", i))
    found = np.zeros(links.shape)
    for i, j in product(*map(range, links.shape)):
        u, v = ("o", i), ("i", j)
        if v in near[u]:
            continue
        paths = [(a, b) for a in near[u] for b in near[a] & near[v] if a != v and b != u]
        community = {node for path in paths for node in path}
        inside = {z: len(near[z] & community) for z in community}
        outside = {z: len(near[z] - community - {u, v}) for z in community}
        if score.endswith("p"):
            for a, b in paths:
                above = (1 + inside[a]) * (1 + inside[b]) if score.startswith("ch2") else 1
                found[i, j] += (above / ((1 + outside[a]) * (1 + outside[b]))) ** 0.5
        else:
            above_of = {z: 1 + inside[z] if score.startswith("ch2") else 1 for z in community}
            found[i, j] = sum(above_of[z] / (1 + outside[z]) for z in community)
    return found


@pytest.mark.parametrize("thin", [True, False])
@pytest.mark.parametrize("score", LINK_SCORES)
def test_scores_are_those_of_the_definition(score, thin, monkeypatch):
    monkeypatch.setattr(scoring, "MOST_SPARSE", 2.0 if thin else 0.0)
    for seed, density in product(range(4), (0.15, 0.35, 0.6)):
        links = np.random.default_rng(seed).random((7, 9)) < density
        np.testing.assert_allclose(link_scores(links, score), by_definition(links, score), rtol=1e-5)
    assert not link_scores(np.zeros((3, 4), dtype=bool), score).any()


def test_receptive_fields_have_their_count_and_lie_where_they_shall():
    rng = np.random.default_rng(0)
    for shape, spread in product(((20, 60), (60, 20), (30, 30)), (0.0, 0.3, 1.0)):
        links = receptive_fields(np.ones(shape, dtype=bool), 130, spread, rng)
        assert links.sum() == 130
        each = links.sum(int(shape[0] <= shape[1]))
        assert each.max() - each.min() <= 1
    allowed = np.random.default_rng(1).random((12, 40)) < 0.3
    assert not (receptive_fields(allowed, 60, 0.3, rng) & ~allowed).any()
    assert receptive_fields(allowed, int(allowed.sum()), 0.3, rng).tolist() == allowed.tolist()


def test_the_law_of_distance_is_the_one_that_is_stated():
    """One link a unit: how often each distance is taken, against (1 + d) ** ((r - 1) / r)."""
    rng, spread, width = np.random.default_rng(0), 0.4, 12
    apart = np.minimum(np.arange(width), width - np.arange(width))
    counts = np.zeros(width)
    for _ in range(200):
        links = receptive_fields(np.ones((width, width), dtype=bool), width, spread, rng)
        rows, columns = np.nonzero(links)
        np.add.at(counts, (columns - rows) % width, 1)
    weights = (1.0 + apart) ** ((spread - 1) / spread)
    expected = counts.sum() * weights / weights.sum()
    assert ((counts - expected) ** 2 / expected).sum() < 28  # chi-squared, 11 degrees, 0.3%


def test_what_is_percolated_leads_from_somewhere_to_somewhere():
    for seed in range(20):
        torch.manual_seed(seed)
        layers = [torch.rand(5, 6) < 0.15, torch.rand(4, 5) < 0.15, torch.rand(3, 4) < 0.3]
        wanted = [layer.clone() for layer in layers]
        for _ in range(10):  # one rule at a time, until nothing changes
            for place in (0, 1):
                wanted[place] &= wanted[place + 1].any(0)[:, None]
                wanted[place + 1] &= wanted[place].any(1)[None, :]
        found = percolated(layers)
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
        through = sum(int((a.any(1) & b.any(0)).sum()) for a, b in pairwise(found))
        assert active_units(found) == through == sum(int(a.any(1).sum()) for a in found[:-1])


def test_a_sigmoid_goes_from_nothing_to_all():
    shares = [sigmoid_share(share, 6.0) for share in np.linspace(0, 1, 11)]
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == sorted(shares)
    assert shares[5] == pytest.approx(0.5)
    steps = np.diff(shares)
    assert steps.argmax() in (4, 5)


@pytest.mark.parametrize("method", ["cht", "chts", "chtss"])
def test_what_moves_and_how_much_is_left(method):
    torch.manual_seed(0)
    module = mlp()
    pruner = load_pruner(method)
    sparse, rows = pruner.run(module, 0.1, task=digits(), config=CONFIG)
    assert isinstance(sparse, nn.Module)
    masks = masks_of(sparse)
    for name, mask in masks.items():
        assert int(mask.sum()) == pytest.approx(0.1 * mask.numel(), abs=1), name
    assert [row["moves"] for row in rows][-1] == 3
    # Units without a way cost more than the fraction; at most all weights go and as many come.
    assert 0 < rows[0]["divergence"] < (0.2 if method != "chtss" else 0.5)
    assert rows[-1]["divergence"] == 0
    layers = [mask for name, mask in masks.items() if name.endswith("weight")]
    assert rows[-1]["active"] == active_units(layers)
    again, _ = pruner.run(module, 0.1, task=digits(), config=CONFIG)
    assert all(torch.equal(mask, masks_of(again)[name]) for name, mask in masks.items())


def test_the_density_falls_along_the_sigmoid():
    torch.manual_seed(0)
    work = load_pruner("random").workpiece(mlp(), digits(), CONFIG, 0)
    pruner = load_pruner("chtss", initial=0.4)
    first, last = pruner.counts(work, 0.4), pruner.counts(work, 0.1)
    for share in (0.0, 1 / 3, 2 / 3, 0.8, 1.0):
        risen = sigmoid_share(min(1.0, share / 0.8), pruner.steepness)
        wanted = [round(a + (b - a) * risen) for a, b in zip(first, last, strict=True)]
        assert pruner.counts_after(work, 0.1, share) == wanted
    assert pruner.counts_after(work, 0.1, 0.8) == pruner.counts_after(work, 0.1, 1.0) == last
    assert sum(int(units.sum()) for units in pruner.start(work, 0.1)) == sum(first)


def test_what_is_too_much_goes_by_its_relative_importance():
    """The paper's first step of a move: of the links those go whose shares of their units' are smallest."""
    work = load_pruner("random").workpiece(nn.Sequential(nn.Linear(64, 20)), digits(), CONFIG, 0)
    slot = work.slots[0]
    alive = torch.rand(20, 64, generator=torch.Generator().manual_seed(0)) < 0.5
    alive[0], alive[:, 0] = False, False
    alive[0, 5] = True
    with torch.no_grad():
        slot.weight[0, 5] = 1e-6  # the only one of its output, however small
    left = load_pruner("chtss").thinned(slot, alive, 100)
    size = (slot.weight.detach().abs() * alive).numpy()
    with np.errstate(invalid="ignore"):
        shares = np.nan_to_num(size / size.sum(0)) + np.nan_to_num(size / size.sum(1, keepdims=True))
    assert int(left.sum()) == 100
    assert left[0, 5]
    assert shares[left.numpy()].min() >= shares[(alive & ~left).numpy()].max()
    assert torch.equal(load_pruner("chts").thinned(slot, alive, 100), alive)


def test_hard_training_keeps_the_largest_and_takes_the_best_scored():
    """One move, seen from outside: every weight that stays is at least as large as every one that went."""
    torch.manual_seed(0)
    seen = []

    class NoMemory:
        def forget(self, parameter, kept):
            seen.append(kept)

    work = load_pruner("random").workpiece(nn.Sequential(nn.Linear(64, 20)), digits(), CONFIG, 0)
    pruner = load_pruner("cht", fraction=0.4)
    before = work.alive
    hook = pruner.rewiring(work, before)
    hook.aim(work, 0.1)
    work.keep(pruner.start(work, 0.1))
    slot = work.slots[0]
    old, size = slot.alive.clone(), slot.weight.detach().abs().clone()

    hook.after(TrainingPlace.at(0, 9, 10, CONFIG.epochs), NoMemory())
    new, count = slot.alive, int(old.sum())
    order = size[old].sort(descending=True).values
    stays = old & (size >= order[count - round(0.4 * count) - 1])
    scores = torch.from_numpy(link_scores(stays.numpy(), pruner.score))
    grown = new & ~stays
    assert int(new.sum()) == count
    assert (stays & ~new).sum() == 0
    left = ~stays & ~new
    assert scores[grown].min() >= scores[left].max()
    assert (slot.weight.detach()[grown & ~old] == 0).all()
    assert torch.equal(seen[0], new & old)


def test_options_that_break_a_rule_are_told():
    for options in (
        {"score": "ch9"},
        {"importance": "big"},
        {"layout": "there"},
        {"spread": 2},
        {"settled": 0},
    ):
        with pytest.raises(InvalidInputError, match=next(iter(options))):
            load_pruner("cht", **options)
    for name in ("first_power", "last_power"):
        with pytest.raises(InvalidInputError, match=name):
            load_pruner("chts", **{name: 0})
    for name, value in (("initial", 0), ("steepness", -1), ("end", 0)):
        with pytest.raises(InvalidInputError, match=name):
            load_pruner("chtss", **{name: value})
