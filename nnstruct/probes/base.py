"""What a family of probes is, the registry of all, and the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nnstruct.checks import check_integer
from nnstruct.errors import InvalidInputError
from nnstruct.network import Network
from nnstruct.properties.base import MeasureFamily, check_families
from nnstruct.random import check_seed
from nnstruct.registry import Registry
from nnstruct.tasks import Task

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from nnstruct.probes.subject import Situation

PROBE_FAMILY_NAMES = ("ranks", "gram", "zero_cost", "surrogates")


@dataclass(frozen=True, kw_only=True)
class ProbeFamily(MeasureFamily):
    """A :class:`nnstruct.properties.MeasureFamily` of trained modules, and the function that computes it.

    Parameters
    ----------
    name, measures, source
        As for :class:`nnstruct.properties.MeasureFamily`.
    compute : callable
        From a :class:`nnstruct.probes.subject.Situation` to one float a measure.

    Examples
    --------
    >>> from nnstruct.probes import PROBE_FAMILIES
    >>> list(PROBE_FAMILIES), PROBE_FAMILIES["zero_cost"].columns[0]
    (['gram', 'ranks', 'surrogates', 'zero_cost'], 'zero_cost.log_snip')
    """

    compute: Callable[[Situation], Sequence[float]]


PROBE_FAMILIES: Registry[ProbeFamily] = Registry("probe family", about=lambda family: family.about)


def functional_features(
    modules: Iterable[nn.Module | Network],
    task: Task,
    families: Sequence[str] = PROBE_FAMILY_NAMES,
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
        Those of :func:`nnstruct.modules.build_module`, or, for a task of vectors or images, any module
        from inputs [B, ...] to class scores [B, C].
    task : Task
    families : sequence of str
        Names in :data:`PROBE_FAMILIES`; columns come in this order.
    initial : iterable of M torch modules or Networks, optional
        Each module as it was before training; without them, distances from it are NaN.
    samples : int
        Training examples to measure on, at least 2; all of them where there are fewer.
    seed : int
        Decides which, and the data of ``surrogates``.

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
    >>> from nnstruct.modules import build_module
    >>> from nnstruct.probes import functional_features
    >>> task = load_task("reber")
    >>> structure = Structure.from_layers([4, 4], family="rnn_tanh")
    >>> modules = [build_module(structure, task, seed=seed) for seed in (0, 1)]
    >>> functional_features(modules, task, ["zero_cost"], samples=8).shape
    (2, 5)
    """
    import pandas as pd

    from nnstruct.probes.subject import Situation

    chosen = check_families(families, PROBE_FAMILIES)
    given = _check_modules("modules", modules)
    before = [None] * len(given) if initial is None else _check_modules("initial", initial)
    if len(before) != len(given):
        raise InvalidInputError("initial", f"hold {len(given)} modules, one for each", len(before))
    samples, seed = check_integer(samples, "samples", low=2), check_seed(seed)
    rows = []
    for module, start in zip(given, before, strict=True):
        situation = Situation(module, task, start, samples, seed)
        rows.append([float(value) for family in chosen for value in family.compute(situation)])
    return pd.DataFrame(rows, columns=[column for family in chosen for column in family.columns])


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
