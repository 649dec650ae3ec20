"""Structures that a recipe draws, narrowed beyond what a Space says."""

from __future__ import annotations

from dataclasses import replace

from nnstruct.errors import InvalidInputError
from nnstruct.priors import sample
from nnstruct.recipes.sections import PrunedSample, SampleSection
from nnstruct.structure import Structure
from nnstruct.structure.space import Space

# A range of layers that fewer draws than one in so many fall into is taken for a mistake.
_MOST_DRAWS_FOR_ONE = 64


def narrowed_sample(section: SampleSection, space: Space) -> list[Structure]:
    """Distinct structures of a Space with the numbers of layers and the shared attributes of a recipe.

    Parameters
    ----------
    section : SampleSection
        Without a study.
    space : Space

    Returns
    -------
    list of Structure
        ``section.count`` of them; the first k of a longer list are those of a list of k.

    Raises
    ------
    InvalidInputError
        If the priors give too few such structures.

    Examples
    --------
    >>> from nnstruct import Space
    >>> from nnstruct.recipes.sections import PrunedSample, SampleSection
    >>> section = SampleSection(count=4, layers=[2, 3], shared=["activation"])
    >>> drawn = narrowed_sample(section, Space("mlp", units=(4, 9), activations=["relu", "tanh"]))
    >>> {s.num_layers for s in drawn}, max(len(set(s.attributes["activation"])) for s in drawn)
    ({2, 3}, 1)
    """
    if section.layers is None and not section.shared:
        return sample(space, section.count, seed=section.seed, priors=section.priors, edition=section.edition)
    tried = section.count
    while True:
        drawn = sample(space, tried, seed=section.seed, priors=section.priors, edition=section.edition)
        kept = {s.fingerprint: s for s in (_shared(s, section) for s in drawn) if _fits(s, section)}
        if len(kept) >= section.count:
            return list(kept.values())[: section.count]
        if tried >= _MOST_DRAWS_FOR_ONE * section.count:
            raise InvalidInputError("count", f"be at most {len(kept)} with these layers", section.count)
        tried *= 2


def pruned_sample(section: PrunedSample, family: str) -> list[Structure]:
    """Pruned structures of a family, spread evenly over those that a benchmark holds.

    Parameters
    ----------
    section : PrunedSample
    family : str

    Returns
    -------
    list of Structure
        ``section.count`` of them, in the benchmark's order.

    Raises
    ------
    InvalidInputError
        If the benchmark holds fewer.
    MissingDataError
        If there is no such benchmark.
    """
    from nnstruct.benchmark import load_benchmark

    of_family = [s for s in load_benchmark(section.benchmark).structures if s.family == family]
    pruned = [s for s in of_family if s.origin.get("kind") == "pruning" and s.origin.get("step")]
    if len(pruned) < section.count:
        rule = f"be at most {len(pruned)}, as {section.benchmark} has of the family {family}"
        raise InvalidInputError("[sample.pruned] count", rule, section.count)
    return [pruned[place * len(pruned) // section.count] for place in range(section.count)]


def _fits(structure: Structure, section: SampleSection) -> bool:
    return section.layers is None or section.layers[0] <= structure.num_layers <= section.layers[1]


def _shared(structure: Structure, section: SampleSection) -> Structure:
    attributes = dict(structure.attributes)
    for name in section.shared:
        if name in attributes:
            attributes[name] = (attributes[name][0],) * structure.num_units
    return replace(structure, attributes=attributes)
