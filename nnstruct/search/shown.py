"""What a notebook shows of a Search: its trials, and the structure with the best score told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnstruct.search.ledger import FAILED, PENDING, Ledger
from nnstruct.search.scores import scored
from nnstruct.search.traits import TOLD
from nnstruct.structure.panel import panel, trail
from nnstruct.structure.sketch import sketch

if TYPE_CHECKING:
    from nnstruct.search.hindsight import Hindsight


def search_panel(search: Hindsight) -> str:
    """What a notebook shows of a search. Nothing is opened, fitted or written for it.

    Parameters
    ----------
    search : Hindsight
        Before its first ``ask`` or ``tell`` its settings are shown.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> from nnstruct import Search, Space
    >>> search = Search(Space("mlp", units=(4, 12)), seed=0, population=4)
    >>> "nothing asked or told yet" in search._repr_html_()
    True
    """
    guide = search.guide
    facts: list[tuple[str, object]] = [
        ("space", getattr(search, "space", "")),
        ("guide", "none" if guide is None else guide if isinstance(guide, str) else type(guide).__name__),
        ("storage", getattr(search, "storage", None) or "in memory"),
    ]
    ledger: Ledger | None = getattr(search, "_ledger", None)
    if ledger is None or not ledger.entries:
        return panel("Search", [*facts, ("trials", "nothing asked or told yet")])
    entries = ledger.entries
    counts = [
        (f"{sum(e.operator != TOLD and e.state != PENDING for e in entries):,} trained"),
        (f"{sum(e.operator == TOLD for e in entries):,} known before"),
        (f"{sum(e.state == PENDING for e in entries):,} waiting"),
        (f"{sum(e.state == FAILED for e in entries):,} failed"),
    ]
    facts.append(("trials", ", ".join(word for word in counts if not word.startswith("0 ")) or "none"))
    names, told = search._objectives.names, search._objectives.told
    if len(names) > 1:
        facts.append(("objectives", ", ".join(names)))
    structures, scores = scored(e for e in entries if e.inside(search._space))
    if not len(scores):
        return panel("Search", facts)
    sign = float(search._objectives.signs[told])
    best = int(np.argmax(sign * scores))
    facts.append(("best score told", f"{scores[best]:.4g}, the best of {len(scores):,} noisy ones"))
    facts.append(("its structure", f"{structures[best].num_units:,} units, {structures[best].fingerprint}"))
    values = np.array([np.nan if e.score is None else e.score for e in entries])
    pictures = [trail(values, names[told], upward=sign > 0), sketch(structures[best])]
    return panel("Search", facts, pictures)
