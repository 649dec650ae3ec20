"""Searches for several objectives, and within limits."""

from __future__ import annotations

import numpy as np
import pytest

from nnstruct import Search, Space, Structure, TrainConfig, load_task
from nnstruct.errors import InvalidInputError, NotFittedError
from nnstruct.modules import count_multiply_adds
from nnstruct.modules.parameters import count_parameters
from nnstruct.search import Tournament
from nnstruct.search.objectives import Objectives
from nnstruct.search.pareto import dominates, hypervolume

from guides import Ridge  # isort: skip

SPACE = Space("mlp", units=(5, 14))


def score(structure: Structure) -> float:
    """Deep is good, and so are many edges."""
    return structure.num_layers + structure.num_edges / 10


def width(structure: Structure) -> int:
    return int(max(structure.layer_sizes))


def run(guide=None, rounds: int = 4, n: int = 6, seed: int = 0, **options) -> Search:
    search = Search(
        SPACE, guide, seed=seed, population=12, offspring=6, objectives=["val", "edges"], **options
    )
    for _ in range(rounds):
        asked = search.ask(n)
        search.tell(asked, [score(s) for s in asked])
    return search


def test_the_front_holds_what_nothing_told_dominates() -> None:
    search = run()
    history = search.history
    points = np.column_stack([history.score, -history.edges])
    best = {f for f, p in zip(history.fingerprint, points, strict=True)
            if not any(dominates(q, p) for q in points)}  # fmt: skip
    pareto = search.pareto
    assert {s.fingerprint for s in search.front} == set(pareto.fingerprint) == best
    assert pareto.val.tolist() == sorted(pareto.val, reverse=True)
    assert pareto.edges.tolist() == [s.num_edges for s in search.front]
    assert search.hypervolume([0, 100]) == pytest.approx(hypervolume(points, np.array([0.0, -100.0])))
    assert search.best_score == history.score.max()
    assert history.attrs == {"objectives": ["score", "edges"], "directions": ["maximize", "minimize"]}


def test_the_study_has_the_same_objectives(tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    search = run(storage=url, rounds=2)
    study = search.study
    assert study.metric_names == ["val", "edges"]
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert {t.user_attrs["fingerprint"] for t in study.best_trials} == set(search.pareto.fingerprint)
    again = run(storage=url, rounds=1)  # goes on
    whole = run(rounds=3)
    assert again.history.fingerprint.tolist() == whole.history.fingerprint.tolist()
    with pytest.raises(InvalidInputError, match="objectives must be"):
        Search(SPACE, storage=url).ask(1)


def test_guided_and_unguided_searches_widen_the_front() -> None:
    corner = [0.0, 60.0]
    gains = []
    for guide in (None, Ridge()):
        options = {"selection": Tournament(2)} if guide is None else {}
        volumes = [
            [run(guide, rounds, seed=seed, reference=corner, **options).hypervolume() for rounds in (2, 6)]
            for seed in range(2)
        ]
        gains.append(np.mean([late - early for early, late in volumes]))
    assert gains[1] > gains[0] > 0


def test_nsga2_keeps_fronts_then_the_less_crowded() -> None:
    from nnstruct.search.pareto import crowded_order

    search = run(rounds=3)
    told = search.history
    points = np.column_stack([told.score, -told.edges])
    strategy = search._strategy()
    structures = [e.structure for e in search._open().entries]
    merit = strategy.merit(structures, told.score.to_numpy())
    assert np.argsort(-merit).tolist() == crowded_order(points).tolist()


def test_finalists_come_from_the_front() -> None:
    search = run()

    def train(structures, seeds):
        table = np.array([[score(s)] * len(seeds) for s in structures])
        return table, table

    final = search.finish(train, top=3, seeds=2)
    assert set(final.table.fingerprint) <= set(search.pareto.fingerprint)
    assert final.winner == search.front[0]


def test_what_is_allowed_is_worth_something_before_it_was_tried() -> None:
    task, config = load_task("digits"), TrainConfig()
    small = [
        Structure.from_layers([width, *tail]) for width in (2, 3, 4) for tail in ((1,), (2,), (1, 1), (2, 1))
    ]
    sizes = [count_parameters(structure, task, config) for structure in small]
    how = {"objectives": ["val", "parameters"], "task": task, "initial": 4}
    beyond = {}
    for most in (10 * max(sizes), None):
        search = Search(Space("mlp", units=(4, 40)), Ridge(), max_parameters=most, seed=0, **how)
        search.warm_start(small, np.log(sizes))  # the more, the better
        asked = search.ask(8)
        beyond[most] = sum(count_parameters(s, task, config) > 1.2 * max(sizes) for s in asked)
    # Without a limit nothing beyond a tenth of the range is of interest, but for random draws.
    assert beyond[10 * max(sizes)] > beyond[None]


def test_limits_are_kept_from_the_first_draw_on() -> None:
    task, config = load_task("digits"), TrainConfig()
    search = run(task=task, max_parameters=400, max_flops=700, constraints=[lambda s: width(s) - 4])
    for structure in search._open().entries:
        assert count_parameters(structure.structure, task, config) <= 400
        assert 2 * count_multiply_adds(structure.structure, task) <= 700
        assert width(structure.structure) <= 4


def test_where_no_draw_keeps_the_limits_steps_lead_there() -> None:
    search = Search(Space("mlp", units=(5, 30)), constraints=[lambda s: s.num_edges - 4], population=3)
    asked = search.ask(3)
    assert [s.num_edges <= 4 for s in asked] == [True] * 3


def test_a_structure_beyond_the_limits_teaches_but_does_not_win() -> None:
    search = run(constraints=[lambda s: s.num_edges - 20])
    large = Structure.from_layers([4, 4, 4])
    search.tell([large], [99.0])
    assert large not in search.front
    assert search.best != large
    assert len(search.history) == 25


def test_own_functions_and_directions() -> None:
    found = Objectives(["loss", width, "layers"], {"layers": "maximize"}, told_direction="minimize")
    assert found.directions == ("minimize", "minimize", "maximize")
    structure = Structure.from_layers([4, 2, 3])
    assert found.values(structure, 0.5).tolist() == [0.5, 4, 3]
    assert found.points([structure], np.array([-0.5])).tolist() == [[-0.5, -4, 3]]
    assert found.reference_point([1, 9, 0]).tolist() == [-1, -9, 0]
    last = Objectives(["edges", "val"], ["minimize", "maximize"])
    assert last.told == 1
    assert last.points([structure], np.array([0.25])).tolist() == [[0.25, -14.0]]
    assert last.reference_point([99, 0]).tolist() == [0, -99]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objectives": "val"}, "objectives must be a sequence"),
        ({"objectives": ["val", "val"]}, "objectives must name each once"),
        ({"objectives": ["edges"]}, "exactly one score that is told"),
        ({"objectives": ["val", "latency"]}, "exactly one score that is told"),
        ({"objectives": ["val", "parameters"]}, "task must be given to count parameters"),
        ({"objectives": ["val", "edges"], "directions": ["maximize"]}, "one for each of 2 objectives"),
        ({"objectives": ["val", "edges"], "directions": {"cost": "maximize"}}, "directions must be one of"),
        ({"objectives": ["val", "edges"], "directions": ["up", "down"]}, "directions must be one of"),
        ({"objectives": ["val", "edges"], "reference": [1.0]}, "reference must be 2 finite numbers"),
        ({"max_parameters": 0}, "max_parameters must be a positive integer"),
        ({"constraints": ["edges"]}, "constraints must be a sequence of functions"),
        ({"objectives": ["val", lambda s: 1.0]}, "names and named functions"),
    ],
)
def test_what_breaks_a_rule_is_named(options: dict, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Search(SPACE, **options).ask(1)


def test_there_is_no_front_before_a_score() -> None:
    search = Search(SPACE, objectives=["val", "edges"])
    for name in ("front", "pareto", "best"):
        with pytest.raises(NotFittedError):
            getattr(search, name)


def test_a_measure_without_a_number_is_named() -> None:
    def nothing(structure):
        return np.nan

    search = Search(SPACE, objectives=["val", nothing], population=2)
    asked = search.ask(2)
    with pytest.raises(InvalidInputError, match="objective 'nothing' must be a finite number"):
        search.tell(asked, [1.0, 2.0])
