"""The laws that every pruner keeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import nn

from nnstruct.errors import InvalidInputError
from nnstruct.extract import extract
from nnstruct.pruning import (
    PRUNERS,
    Pruner,
    evaluate,
    load_pruner,
    made_permanent,
    masks_of,
    prune,
    with_masks,
)
from nnstruct.testing.laws import Suite, hold, refused, registered_once
from nnstruct.testing.networks import NETWORKS, QUICK, example_of, network, task_of
from nnstruct.testing.pruned import dense_edges, pairs, same, state, units, zeros_outside


def _as_pruner(pruner: str | type[Pruner] | Pruner) -> Pruner:
    if isinstance(pruner, str):
        return load_pruner(pruner)
    return pruner if isinstance(pruner, Pruner) else pruner()


class PruningCase:
    """A pruner, and one of the networks that the checks prune with it.

    Parameters
    ----------
    pruner : str, type or Pruner
        A name in ``PRUNERS``, a registered class, or a pruner with options that make it quick.
    name : str
        One of :data:`nnstruct.testing.networks.NETWORKS`.

    Attributes
    ----------
    task : Task
    label : str
        What is held to the laws, as a sentence begins.
    """

    def __init__(self, pruner: str | type[Pruner] | Pruner, name: str) -> None:
        self.pruner, self.name, self.task = _as_pruner(pruner), name, task_of(name)
        self.label = f"The pruner {self.pruner.name!r} on the network {name!r}"

    def dense(self) -> nn.Module:
        """A new copy of the network.

        Returns
        -------
        torch.nn.Module
        """
        return network(self.name)

    def pruned(self, module: nn.Module, density: float = 0.5) -> nn.Module:
        """A module pruned with the case's task and a short training.

        Parameters
        ----------
        module : torch.nn.Module
        density : float

        Returns
        -------
        torch.nn.Module
        """
        return prune(module, density, method=self.pruner, task=self.task, config=QUICK, seed=0)

    @cached_property
    def sparse(self) -> nn.Module:
        """The network at one half; checks must not change it."""
        return self.pruned(self.dense())


_ONE: Suite[Pruner] = Suite()
_EACH: Suite[PruningCase] = Suite()


def check_pruner(pruner: str | type[Pruner] | Pruner, networks: Sequence[str] | None = None) -> None:
    """Hold a registered pruner to every law of pruners.

    Networks of every kind are pruned to one half and to one quarter: linear, convolutional, tied, shared
    and recurrent layers of PyTorch, and nnstruct's own modules.

    Parameters
    ----------
    pruner : str, type or Pruner
        A name in ``PRUNERS``, a registered class, or a pruner of one with options that make it quick.
    networks : sequence of str, optional
        Names in :data:`nnstruct.testing.networks.NETWORKS`; by default all that the method applies to.

    Raises
    ------
    AssertionError
        At the first law that is broken; its sentence says which and what was found.

    Examples
    --------
    >>> from nnstruct.testing import check_pruner
    >>> check_pruner("magnitude-class-blind", networks=["mlp", "gru"])
    """
    one = _as_pruner(pruner)
    _ONE.run(one)
    for name in pruning_networks(one) if networks is None else networks:
        _EACH.run(PruningCase(one, name))


def pruner_checks() -> list[tuple[str, Callable[[Pruner], None]]]:
    """Name and function of each law of a pruner's options, for a test that runs one a case.

    Returns
    -------
    list of (name, check)
        A check takes a Pruner, and raises an AssertionError where the law is broken.

    Examples
    --------
    >>> from nnstruct.pruning import load_pruner
    >>> from nnstruct.testing import pruner_checks
    >>> for name, check in pruner_checks():
    ...     check(load_pruner("random"))
    """
    return _ONE.checks()


def pruning_checks() -> list[tuple[str, Callable[[PruningCase], None]]]:
    """Name and function of each law of a pruner on a network, for a test that runs one a case.

    Returns
    -------
    list of (name, check)
        A check takes a :class:`PruningCase`, and raises an AssertionError where the law is broken.

    Examples
    --------
    >>> from nnstruct.testing import PruningCase, pruning_checks
    >>> case = PruningCase("random", "mlp")
    >>> for name, check in pruning_checks():
    ...     check(case)
    """
    return _EACH.checks()


def pruning_networks(pruner: type[Pruner] | Pruner) -> list[str]:
    """The networks that a pruner is held to its laws on.

    Parameters
    ----------
    pruner : type or Pruner

    Returns
    -------
    list of str
        All in :data:`nnstruct.testing.networks.NETWORKS`, or those with channels or hidden layers for
        methods that count channels.

    Examples
    --------
    >>> from nnstruct.pruning import PRUNERS
    >>> from nnstruct.testing import pruning_networks
    >>> pruning_networks(PRUNERS["channels"])
    ['mlp', 'cnn', 'tied', 'shared']
    """
    return [name for name, each in NETWORKS.items() if each.has_channels or not pruner.counts_channels]


# ---- laws of the options


def _label(pruner: Pruner) -> str:
    return f"The pruner {pruner.name!r}"


@_ONE.law
def it_is_registered_under_its_name(pruner: Pruner) -> None:
    """The class is registered in PRUNERS under its own name, and says where it is from."""
    registered_once(PRUNERS, type(pruner), pruner.name, _label(pruner))
    hold(getattr(pruner, "source", ""), _label(pruner), "name its source")


@_ONE.law
def options_are_told_and_taken(pruner: Pruner) -> None:
    """to_dict names what differs from the defaults, in JSON; load_pruner takes it."""
    kind, label = type(pruner), _label(pruner)
    told = load_pruner(pruner.name, part="hidden").to_dict()
    expected = {"method": pruner.name, "options": {"part": "hidden"}}
    rule = "tell the options that differ from the defaults, as JSON values"
    hold(json.loads(json.dumps(told)) == expected, label, rule, repr(told))
    again = load_pruner(pruner.name, **told["options"])
    hold(
        again == load_pruner(pruner.name, part="hidden"), label, "take the options that it tells", repr(again)
    )
    names = {field.name for field in fields(kind)} if is_dataclass(kind) else set()
    hold(set(kind.options()) == names, label, "list every field among its options", repr(kind.options()))


@_ONE.law
def a_wrong_density_is_told(pruner: Pruner) -> None:
    """A density is a share in [0, 1]."""
    densities: tuple[Any, ...] = (-0.1, 1.1, float("nan"), True, "half")
    for density in densities:
        refused(
            partial(pruner.prune, network("mlp"), density, task=task_of("mlp")),
            _label(pruner), f"density={density!r}", InvalidInputError, "density must be a share",
        )  # fmt: skip


@_ONE.law
def a_missing_task_is_told(pruner: Pruner) -> None:
    """A method that needs a task says so; another does without."""
    if pruner.needs_task:
        refused(
            lambda: prune(network("mlp"), 0.5, method=pruner),
            _label(pruner), "to prune without a task, which it needs", InvalidInputError,
            "task must be given",
        )  # fmt: skip
    else:
        sparse: nn.Module | None = prune(network("mlp"), 0.5, method=pruner)
        hold(sparse is not None, _label(pruner), "return a module")


@_ONE.law
def a_wrong_option_is_told(pruner: Pruner) -> None:
    """Options that are none, and values that are none, are refused by name."""
    refused(
        lambda: load_pruner(pruner.name, part="everything"),
        _label(pruner), "part='everything'", InvalidInputError, "part must be one of input, hidden, both",
    )  # fmt: skip
    refused(
        lambda: load_pruner(pruner.name, nonsense=1),
        _label(pruner), "an option that it does not have", InvalidInputError, "option of method",
    )  # fmt: skip


# ---- laws on each network


@_EACH.law
def it_leaves_its_source_alone(case: PruningCase) -> None:
    """Neither values nor parameters of the module that was given change."""
    module = case.dense()
    before, names = state(module), [part for part, _ in module.named_parameters()]
    case.pruned(module)
    rule = "leave the module that it is given as it is"
    hold(same(before, state(module)), case.label, rule, "other values")
    hold(names == [part for part, _ in module.named_parameters()], case.label, rule, "other parameters")


@_EACH.law
def it_keeps_exactly_the_share_asked_for(case: PruningCase) -> None:
    """round(density * E) units stay, of each tensor where classes are uniform; what is pruned is zero."""
    hold(zeros_outside(case.sparse), case.label, "leave exact zeros where it prunes")
    kept, total = units(case.sparse, case.name)
    hold(kept, case.label, "mask what it prunes")
    if case.pruner.counts_channels or not case.pruner.exact:
        return
    if getattr(case.pruner, "classes", "blind") == "uniform":
        expected = {full: round(0.5 * size) for full, size in total.items()}
        hold(
            kept == expected, case.label, "keep round(density * E) of each tensor", f"{kept}, not {expected}"
        )
    else:
        share, left = round(0.5 * sum(total.values())), sum(kept.values())
        hold(left == share, case.label, "keep exactly round(density * E)", f"{left}, not {share}")


@_EACH.law
def a_pruned_network_can_be_evaluated(case: PruningCase) -> None:
    """Its accuracy is a share."""
    accuracy = evaluate(case.sparse, case.task)["accuracy"]
    hold(0 <= accuracy <= 1, case.label, "leave a network that can be evaluated", str(accuracy))


@_EACH.law
def the_same_seed_gives_the_same_network(case: PruningCase) -> None:
    """Twice from one seed: the same values and masks."""
    again = case.pruned(case.dense())
    hold(same(state(case.sparse), state(again)), case.label, "give the same network for the same seed")


@_EACH.law
def the_state_dict_goes_round(case: PruningCase) -> None:
    """A dense network with the same masks loads the state of the sparse one."""
    skeleton = with_masks(case.dense(), masks_of(case.sparse))
    skeleton.load_state_dict(case.sparse.state_dict())
    rule = "leave a state dict that with_masks can load"
    hold(same(state(skeleton), state(case.sparse)), case.label, rule, "other values")
    hold(same(masks_of(skeleton), masks_of(case.sparse)), case.label, rule, "other masks")
    scores = evaluate(skeleton, case.task), evaluate(case.sparse, case.task)
    hold(scores[0] == scores[1], case.label, rule, f"other scores, {scores[0]} and {scores[1]}")


@_EACH.law
def what_is_pruned_is_no_edge(case: PruningCase) -> None:
    """The extracted structure has an edge for each weight that is kept."""
    structure = extract(case.sparse, example_of(case.name)).structure
    edges, dense, each = structure.num_edges, dense_edges(case.name), NETWORKS[case.name]
    rule = "leave some edges of the extracted structure and take some away"
    fewer = edges <= dense if each.many_weights_an_edge else 0 < edges < dense
    hold(fewer, case.label, rule, f"{edges} of {dense}")
    if case.name == "mlp":
        kept = sum(int(mask.sum()) for mask in masks_of(case.sparse).values() if mask.dim() > 1)
    elif hasattr(case.sparse, "to_network"):
        kept = sum(units(case.sparse, case.name)[0].values())
    else:
        return
    # A weight that grew from zero is still zero where an input never changes.
    fits = edges <= kept if case.pruner.regrows else edges == kept
    hold(fits, case.label, "leave an edge for each weight that it keeps", f"{edges} edges, {kept} weights")


@_EACH.law
def what_was_pruned_stays_pruned(case: PruningCase) -> None:
    """A sparse network pruned further loses weights and regains none; the first one stays as it was."""
    twice = case.pruned(case.sparse, 0.25)
    before, after = masks_of(case.sparse), masks_of(twice)
    back = [full for full, mask in before.items() if (after[full] & ~mask).any()]
    hold(not back, case.label, "keep pruned what was pruned before", f"weights back in {', '.join(back)}")
    hold(zeros_outside(case.sparse), case.label, "leave the sparse module that it prunes further as it is")
    left = [sum(int(mask.sum()) for mask in masks.values()) for masks in (after, before)]
    hold(left[0] < left[1], case.label, "keep fewer weights at a lower density", f"{left[0]} of {left[1]}")


@_EACH.law
def a_permanent_copy_is_plain_and_computes_the_same(case: PruningCase) -> None:
    """Without masks: the state and classes of the dense module, the scores of the sparse one."""
    plain, dense = made_permanent(case.sparse), case.dense()
    rule = "leave a network that can be made plain"
    hold(masks_of(plain) == {}, case.label, rule, "masks")
    hold(set(plain.state_dict()) == set(dense.state_dict()), case.label, rule, "other names in its state")
    alike = all(type(part) is type(twin) for part, twin in pairs(plain, dense))
    hold(alike, case.label, rule, "parts of another class")
    scores, expected = evaluate(plain, case.task), evaluate(case.sparse, case.task)
    near = all(abs(scores[key] - value) <= 1e-12 + 1e-6 * abs(value) for key, value in expected.items())
    hold(near and scores.keys() == expected.keys(), case.label, rule, f"{scores}, not {expected}")
    hold(zeros_outside(case.sparse), case.label, "stay as it is when a plain copy is made")


@_EACH.law
def a_gpu_prunes_like_a_cpu(case: PruningCase) -> None:
    """On a machine with a GPU: masks there, as many weights kept, the same ones where no data are needed."""
    if not torch.cuda.is_available():
        return
    there = case.pruned(case.dense().cuda())
    masks = masks_of(there).values()
    hold(all(mask.is_cuda for mask in masks), case.label, "leave masks on the module's device")
    hold(zeros_outside(there), case.label, "leave exact zeros where it prunes on a GPU")
    kept = [sum(units(part, case.name)[0].values()) for part in (there.cpu(), case.sparse)]
    hold(kept[0] == kept[1], case.label, "keep as many on a GPU as on a CPU", f"{kept[0]}, not {kept[1]}")
    if not case.pruner.needs_task:
        alike = same(masks_of(there.cpu()), masks_of(case.sparse))
        hold(alike, case.label, "keep the same weights on a GPU as on a CPU")
