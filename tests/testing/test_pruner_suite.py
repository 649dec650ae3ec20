"""The suite of pruners passes a sound pruner, and says what is wrong with others."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from nnstruct.pruning import PRUNERS, Pruner, ScoringPruner
from nnstruct.pruning.selection import largest
from nnstruct.pruning.workpiece import count_of
from nnstruct.testing import check_pruner, pruning_networks


@dataclass(frozen=True, kw_only=True)
class NearOne(ScoringPruner):
    """Keeps the weights nearest to one."""

    name, source = "near-one", "no paper"

    def scores(self, work):
        return [-slot.total_over_gates((slot.weight.detach() - 1).abs()) for slot in work.slots]


class Sourceless(NearOne):
    source = ""


class OneTooMany(NearOne):
    def apply(self, work, density):
        work.keep(largest(self.scores(work), work.alive, count_of(work, density) + 1))
        return []


@dataclass(frozen=True, kw_only=True)
class SaysUniform(NearOne):
    classes: str = "uniform"

    def chosen(self, work, density):
        return largest(self.scores(work), work.alive, count_of(work, density))


class InPlace(NearOne):
    def run(self, network, density, **options):
        if isinstance(network, torch.nn.Module) and density == 0.5:
            next(network.parameters()).data.mul_(2)
        return super().run(network, density, **options)


class Unseeded(NearOne):
    def scores(self, work):
        return [torch.rand(slot.domain.shape) for slot in work.slots]


class Reviving(NearOne):
    def apply(self, work, density):
        scores = [-score for score in self.scores(work)] if density < 0.5 else self.scores(work)
        work.keep(largest(scores, [slot.domain for slot in work.slots], count_of(work, density)))
        return []


class KeepsZeros(NearOne):
    def apply(self, work, density):
        work.slots[0].parameter.data[0] = 0.0
        return super().apply(work, density)

    def scores(self, work):
        return [-score for score in super().scores(work)]


class TakesAnyDensity(NearOne):
    def run(self, network, density, **options):
        usable = density if isinstance(density, float) and 0 <= density <= 1 else 0.5
        return super().run(network, usable, **options)


class TaskBlind(NearOne):
    needs_task = True

    def run(self, network, density, *, task=None, **options):
        return super().run(network, density, task=task or "none", **options)


def test_a_sound_pruner_passes_by_class_and_with_options(register) -> None:
    register(PRUNERS, "near-one", NearOne)
    check_pruner(NearOne, networks=["shared", "clean gru"])
    check_pruner(NearOne(classes="uniform"), networks=["mlp"])
    assert len(pruning_networks(NearOne)) == 10


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Sourceless, "must name its source"),
        (OneTooMany, "on the network 'mlp' must keep exactly .*, got 1041, not 1040"),
        (SaysUniform, "on the network 'mlp' must keep round.density . E. of each tensor, got"),
        (InPlace, "on the network 'mlp' must leave the module that it is given as it is, got other values"),
        (Unseeded, "on the network 'mlp' must give the same network for the same seed"),
        (Reviving, "on the network 'mlp' must keep pruned what was pruned before, got weights back in 0"),
        (KeepsZeros, "on the network 'mlp' must leave an edge for each weight that it keeps"),
        (TakesAnyDensity, "must refuse density=-0.1 with a InvalidInputError"),
        (TaskBlind, "must refuse to prune without a task, which it needs with a InvalidInputError"),
    ],
)
def test_a_broken_law_is_told(broken: type[Pruner], sentence: str, register) -> None:
    register(PRUNERS, "near-one", broken)
    with pytest.raises(AssertionError, match=f"^The pruner 'near-one' {sentence}"):
        check_pruner(broken, networks=["mlp"])


def test_a_pruner_that_is_not_registered_is_told() -> None:
    with pytest.raises(AssertionError, match="must be registered under its own name 'near-one'"):
        check_pruner(NearOne)
