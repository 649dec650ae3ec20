"""Parameters of trials: what Optuna's plots and the dashboard read."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from nnstruct import Search, Space, Structure
from nnstruct.search import TableSpace
from nnstruct.search.traits import Traits, traits_of

from guides import depth_score  # isort: skip


@pytest.fixture(scope="module")
def search() -> Search:
    found = Search(Space("mlp", units=(6, 12)), population=8, seed=0)
    for _ in range(4):
        asked = found.ask(8)
        found.tell(asked, [np.nan, *(depth_score(s) for s in asked[1:])])
    found.tell([Structure.from_layers([30, 30])], [0.0])
    return found


def test_every_trial_says_how_it_was_made_and_what_it_is_like(search: Search) -> None:
    trials, entries = search.study.trials, search._open().entries
    assert len(trials) == len(entries) == 33
    for trial, entry in zip(trials[:-1], entries[:-1], strict=True):
        s = entry.structure
        made_by = s.origin["prior"] if entry.operator == "prior" else entry.operator
        assert trial.params == {
            "made_by": "several" if "+" in made_by else made_by,
            "units": s.num_units,
            "edges": min(s.num_edges, trial.distributions["edges"].high),
            "layers": s.num_layers,
            "width": max(s.layer_sizes),
        }
    outside = trials[-1]
    assert (outside.params["made_by"], outside.params["units"]) == ("told", 12)  # the bound
    assert outside.user_attrs["units"] == 60


def test_optuna_finds_what_is_important(search: Search) -> None:
    assert len({str(sorted(t.distributions.items())) for t in search.study.trials}) == 1
    importance = optuna.importance.get_param_importances(search.study)
    assert set(importance) == {"made_by", "units", "edges", "layers", "width"}
    # The score falls with edges and with uneven layers: chance alone decides who made a structure.
    assert importance["edges"] + importance["width"] + importance["layers"] > importance["units"]
    assert search.study.metric_names == ["score"]


def test_units_with_channels_have_their_sum() -> None:
    cells = Structure([[0], [1]], 2, family="cnn", attributes={"channels": (3, 5)})
    assert traits_of(cells) == {"units": 2, "edges": 1, "layers": 2, "width": 1, "channels": 8}


def test_own_spaces_have_bounds_by_their_draws_and_studies_keep_them() -> None:
    structures = [Structure.from_layers([a, 2]) for a in range(1, 9)]
    table = TableSpace((structures, list(range(8))))
    traits = Traits.of_space(table, np.random.default_rng(0))
    assert traits.bounds["units"] == (3 // 2, 2 * 10)
    assert traits.bounds["layers"] == (1, 4)
    again = Traits.from_json(traits.to_json())
    assert (again.makers, again.bounds) == (traits.makers, traits.bounds)
    made = again.parameters(structures[0], "neighbour")
    assert made == {"made_by": "neighbour", "units": 3, "edges": 2, "layers": 2, "width": 2}
    assert again.parameters(structures[0], "an own one")["made_by"] == "other"
