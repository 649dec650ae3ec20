"""What a family of probes is, the registry of all, and the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.random import check_seed
from nnstruct.registry import Registry
from nnstruct.tasks import Task

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from nnstruct.probes.subject import Situation

FAMILIES = ("ranks", "gram", "zero_cost", "simplicity")


@dataclass(frozen=True)
class ProbeFamily:
    """Measures that are computed together, and the function that computes them.

    Parameters
    ----------
    name : str
        Stands before the dot in a column's name.
    measures : mapping of str to str
        Each measure's name, in column order, with its definition in words.
    compute : callable
        From a :class:`nnstruct.probes.subject.Situation` to one float a measure.
    source : str
        Where the measures come from.

    Examples
    --------
    >>> from nnstruct.probes import PROBE_FAMILIES
    >>> list(PROBE_FAMILIES), PROBE_FAMILIES["zero_cost"].columns[0]
    (['gram', 'ranks', 'simplicity', 'zero_cost'], 'zero_cost.log_snip')
    """

    name: str
    measures: Mapping[str, str]
    compute: Callable[[Situation], Sequence[float]]
    source: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' full names, ``family.measure``."""
        return tuple(f"{self.name}.{measure}" for measure in self.measures)


PROBE_FAMILIES: Registry[ProbeFamily] = Registry("probe family")


def functional_features(
    modules: Iterable[nn.Module | Network],
    task: Task,
    families: Sequence[str] = FAMILIES,
    *,
    initial: Iterable[nn.Module | Network] | None = None,
    samples: int = 32,
    seed: int = 0,
) -> pd.DataFrame:
    """Measures of what each module computes on a task's data, by family.

    Modules are copied to double precision and evaluation mode and left as they are.

    Parameters
    ----------
    modules : iterable of M torch modules or Networks
        Those of :func:`nnstruct.networks.build_module`, or, for a task of vectors or images, any module
        from inputs [B, ...] to class scores [B, C].
    task : Task
    families : sequence of str
        Names in :data:`PROBE_FAMILIES`; columns come in this order.
    initial : iterable of M torch modules or Networks, optional
        Each module as it was before training; without them, distances from it are NaN.
    samples : int
        Training examples to measure on, at least 2; all of them where there are fewer.
    seed : int
        Decides which, and the surrogate data of ``simplicity``.

    Returns
    -------
    pandas.DataFrame
        A row a module, in the order given; float64 columns named ``family.measure``, the same for every
        module. A value is NaN where its measure is undefined; each family's module says where that is.

    Raises
    ------
    InvalidInputError
        If there is no module, one of them does not fit the task, or an option is out of range.
    UnknownNameError
        If a family is not registered.

    Examples
    --------
    >>> from nnstruct import Structure, load_task
    >>> from nnstruct.networks import build_module
    >>> from nnstruct.probes import functional_features
    >>> task = load_task("reber")
    >>> structure = Structure.from_layers([4, 4], family="rnn_tanh")
    >>> modules = [build_module(structure, task, seed=seed) for seed in (0, 1)]
    >>> functional_features(modules, task, ["zero_cost"], samples=8).shape
    (2, 5)
    """
    import pandas as pd

    from nnstruct.probes.subject import Situation

    chosen = _check_families(families)
    given = _check_modules("modules", modules)
    before = [None] * len(given) if initial is None else _check_modules("initial", initial)
    if len(before) != len(given):
        raise InvalidInputError("initial", f"hold {len(given)} modules, one for each", len(before))
    if isinstance(samples, bool) or not isinstance(samples, int | np.integer) or samples < 2:
        raise InvalidInputError("samples", "be an integer of at least 2", samples)
    check_seed(seed)
    rows = []
    for module, start in zip(given, before, strict=True):
        situation = Situation(module, task, start, int(samples), seed)
        rows.append([float(value) for family in chosen for value in family.compute(situation)])
    return pd.DataFrame(rows, columns=[column for family in chosen for column in family.columns])


def _check_families(families: Sequence[str]) -> list[ProbeFamily]:
    if isinstance(families, str) or not isinstance(families, Sequence) or not len(families):
        hint = f'Write families=("{families}",).' if isinstance(families, str) else ""
        raise InvalidInputError("families", "be a sequence of names", families, hint)
    if len(set(families)) < len(families):
        raise InvalidInputError("families", "name each family once", list(families))
    return [PROBE_FAMILIES[name] for name in families]


def _check_modules(field: str, modules: Iterable[Any]) -> list[Any]:
    from torch import nn

    if isinstance(modules, Network) or not isinstance(modules, Iterable):
        hint = "Write [module]." if isinstance(modules, nn.Module | Network) else ""
        raise InvalidInputError(field, "be a list of modules or Networks", type(modules).__name__, hint)
    given = list(modules)
    if not given:
        raise InvalidInputError(field, "hold at least one module or Network", given)
    for place, module in enumerate(given):
        if not isinstance(module, nn.Module | Network):
            raise InvalidInputError(f"{field}[{place}]", "be a torch module or a Network", module)
    return given
