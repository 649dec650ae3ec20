"""Ask and tell: what is asked, what is recorded, what is refused."""

from __future__ import annotations

import logging

import networkx as nx
import numpy as np
import optuna
import pandas as pd
import pytest

from nnstruct import Space, Structure
from nnstruct.errors import InvalidInputError, NnstructError, NotFittedError, UnknownNameError
from nnstruct.search import Search

from guides import Ridge, depth_score, noisy  # isort: skip

SPACE = Space("rnn_tanh", units=(6, 12))


def run(search: Search, rounds: int = 4, n: int = 5) -> list[Structure]:
    asked = []
    for _ in range(rounds):
        candidates = search.ask(n)
        asked += candidates
        search.tell(candidates, noisy(candidates))
    return asked


@pytest.mark.parametrize("guide", [None, Ridge()], ids=["plain", "guided"])
@pytest.mark.parametrize("selection", ["tournament", "truncation"])
@pytest.mark.parametrize("removal", ["worst", "oldest"])
def test_everything_asked_is_new_and_inside(guide, selection: str, removal: str) -> None:
    search = Search(
        SPACE, guide, population=8, offspring=5, selection=selection, removal=removal, study_name="x"
    )
    asked = run(search, rounds=6)
    assert len({s.fingerprint for s in asked}) == 30
    assert all(map(SPACE.contains, asked))
    operators = search.history.operator
    assert (operators[:8] == "prior").all()
    assert (operators[10:] != "prior").sum() >= 10


def test_untold_structures_are_not_asked_again() -> None:
    search = Search(SPACE, population=4)
    asked = [s for _ in range(6) for s in search.ask(4)]
    assert len({s.fingerprint for s in asked}) == 24
    assert set(search.history.state) == {"pending"}


@pytest.mark.parametrize("guide", [None, Ridge()], ids=["plain", "guided"])
def test_same_seed_same_search(guide) -> None:
    first, second = (Search(SPACE, guide, seed=3, population=8, offspring=6) for _ in range(2))
    other = Search(SPACE, guide, seed=4, population=8, offspring=6)
    run(first), run(second), run(other)
    pd.testing.assert_frame_equal(first.history, second.history)
    # Small graphs come up under either seed, most others do not.
    assert len(set(first.history.fingerprint) & set(other.history.fingerprint[:5])) < 3


def test_history_best_and_study() -> None:
    search = Search(SPACE, Ridge(), population=8, offspring=5, random_share=0.3)
    run(search, rounds=5)
    history = search.history
    columns = (
        "trial fingerprint score believed believed_std retrained prediction std operator generation units "
        "edges state"
    )
    assert list(history.columns) == columns.split()
    assert history.generation.tolist() == [g for g in range(5) for _ in range(5)]
    assert history.prediction.isna().tolist() == [True] * 10 + [False] * 15
    assert search.study.best_value == history.score.max()
    best = history.loc[history.believed.idxmax()]  # not the luckiest score
    assert (search.best.fingerprint, search.best_score) == (best.fingerprint, best.score)
    assert history.retrained.isna().all()
    trial = search.study.trials[best.trial]
    assert trial.user_attrs["units"] == search.best.num_units
    assert trial.user_attrs["layers"] == search.best.num_layers
    assert trial.user_attrs["edges"] == search.best.forward_edges.shape[1]
    last = search.study.trials[-1].user_attrs
    assert set(last["parents"]) <= set(history.fingerprint)


def test_minimize() -> None:
    search = Search(SPACE, Ridge(), direction="minimize", population=8, offspring=8)
    for _ in range(6):
        candidates = search.ask(6)
        search.tell(candidates, [s.num_layers for s in candidates])
    history = search.history
    assert search.study.best_value == history.score.min()
    assert search.best.fingerprint == history.fingerprint[history.believed.idxmin()]
    assert search.history.score[18:].mean() < search.history.score[:6].mean()


def test_diverged_trainings_are_failed_trials_and_no_parents() -> None:
    search = Search(SPACE, Ridge(), population=8, offspring=5)
    bad: set[str] = set()
    for _ in range(6):
        candidates = search.ask(5)
        scores = np.array(noisy(candidates))
        scores[1], scores[3] = np.nan, np.inf
        bad |= {candidates[1].fingerprint, candidates[3].fingerprint}
        search.tell(candidates, scores)
    history = search.history
    assert set(history.fingerprint[history.state == "failed"]) == bad
    assert history.score[history.state == "failed"].isna().all()
    assert np.isfinite(search.best_score)
    parents = {p for t in search.study.trials for p in t.user_attrs["parents"]}
    assert parents
    assert not parents & bad
    assert not history.fingerprint.duplicated().any()


def test_all_diverged_still_asks() -> None:
    search = Search(SPACE, Ridge(), population=4, offspring=5)
    for _ in range(4):
        search.tell(candidates := search.ask(4), [np.nan] * len(candidates))
    assert len(search.history) == 16
    with pytest.raises(NotFittedError, match="no best structure before a finite score"):
        _ = search.best


def test_told_again_is_another_measurement() -> None:
    search = Search(SPACE, population=4)
    first, second = search.ask(2)
    search.tell([first, second], [1.0, 0.8])
    search.tell([first.relabel(range(first.num_units)[::-1])], [0.0])
    search.tell([second, second], [np.nan, 0.9])
    assert search.best.fingerprint == second.fingerprint
    assert search.best_score == pytest.approx(0.85)
    assert search.history.state.tolist() == ["complete"] * 3 + ["failed", "complete"]


def test_structures_never_asked_join_the_population() -> None:
    own = [
        Structure.from_networkx(nx.barabasi_albert_graph(12, 3, seed=i), family="rnn_tanh") for i in range(8)
    ]
    assert len({s.fingerprint for s in own}) == 8
    search = Search(SPACE, population=8)
    search.tell(own, [depth_score(s) for s in own])
    search.ask(10)
    assert (search.history.operator[:8] == "told").all()
    assert "prior" not in set(search.history.operator[8:])
    parents = {p for t in search.study.trials for p in t.user_attrs["parents"]}
    assert parents <= {s.fingerprint for s in own}


def test_structures_outside_the_space_teach_but_do_not_breed() -> None:
    large = [Structure.from_layers([n, n, 2], family="rnn_tanh") for n in range(8, 20)]
    search = Search(SPACE, guide := Ridge(), population=4, offspring=4)
    search.warm_start(large, np.arange(12.0))
    asked = search.ask(4)
    assert search.guide_.rows_ == 12
    assert all(map(SPACE.contains, asked))
    assert set(search.history.operator[12:]) == {"prior"}
    with pytest.raises(NotFittedError):
        _ = search.best_score
    assert guide.fits == 0


def test_warm_start_passes_over_what_is_told() -> None:
    own = [Structure.from_layers([n, 4], family="rnn_tanh") for n in range(2, 8)]
    search = Search(SPACE, population=4)
    for _ in range(2):
        search.warm_start([*own, own[0]], np.arange(7.0))
    assert search.history.score.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_tell_takes_a_pandas_column() -> None:
    search = Search(SPACE)
    candidates = search.ask(3)
    search.tell(candidates, pd.Series([0.1, 0.3, 0.2], index=[7, 8, 9]))
    assert search.best_score == 0.3


def test_structures_survive_storage() -> None:
    attributes = {"activation": ["tanh", "relu"] * 3, "stage": [0, 0, 1, 1, 2, 2]}
    base = Structure.from_layers([2, 2, 2], family="rnn_tanh", recurrence="self")
    own = Structure(
        base.edge_index, 6, recurrent=base.recurrent, family="rnn_tanh", attributes=attributes,
        inputs=np.array([1, 1, 1, 0, 0, 0], bool), origin={"by": "hand"},
    )  # fmt: skip
    search = Search(SPACE)
    search.tell([own], [1.0])
    assert search.best == own
    assert dict(search.best.origin) == {"by": "hand"}


@pytest.mark.parametrize(
    ("structures", "scores", "message"),
    [
        (lambda own: own, [1.0], "scores must be one for each structure"),
        (
            lambda own: own[0],
            [1.0],
            r"structures must be a list of Structures, .* Wrap a single one in a list",
        ),
        (lambda own: own, [[1.0], [2.0]], "scores must be one for each structure"),
        (lambda own: [own[0], "x"], [1.0, 2.0], r"structures\[1\] must be a Structure, got 'x'"),
        (lambda own: [own[0], Structure.from_layers([3, 3])], [1.0, 2.0], "family 'rnn_tanh', got 'mlp'"),
    ],
)
def test_tell_refuses_and_records_nothing(structures, scores, message: str) -> None:
    search = Search(SPACE)
    own = search.ask(2)
    with pytest.raises(InvalidInputError, match=message):
        search.tell(structures(own), scores)
    assert search.history.state.tolist() == ["pending", "pending"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"population": 1}, "population must be an integer, at least 2"),
        ({"offspring": 0}, "offspring must be"),
        ({"refit_every": 1.5}, "refit_every must be"),
        ({"crossover_rate": 1.1}, r"crossover_rate must be in \[0, 1\]"),
        ({"mutation_rate": 1.0}, "mutation_rate must be below 1"),
        ({"random_share": -0.1}, "random_share must be"),
        ({"exploration": np.nan}, "exploration must be"),
        ({"direction": "up"}, "direction must be one of maximize, minimize"),
        ({"selection": "roulette"}, "selection must be one of tournament, truncation"),
        ({"acquisition": "pi"}, "acquisition must be one of"),
        ({"removal": "none"}, "removal must be one of worst, oldest"),
        ({"seed": -1}, "seed must be"),
        ({"guide": Ridge}, "guide must have fit and predict"),
        ({"guide": 3}, "guide must have fit and predict"),
        ({"guide": "gnn"}, "Give one itself, such as nnstruct.predictors.RandomForest"),
        ({"storage": "runs/search.db"}, "write 'sqlite:///runs/search.db'"),
        ({"space": "mlp"}, "space must be a Space"),
    ],
)
def test_bad_parameters_are_named_at_first_use(parameters: dict, message: str) -> None:
    search = Search(**{"space": SPACE, **parameters})
    with pytest.raises(NnstructError, match=message):
        search.ask(2)


@pytest.mark.parametrize("n", [0, -1, 1.0, True])
def test_ask_refuses(n: object) -> None:
    with pytest.raises(InvalidInputError, match="n must be a positive integer"):
        Search(SPACE).ask(n)  # type: ignore[arg-type]


def test_unknown_name_is_a_key_error_too() -> None:
    with pytest.raises(UnknownNameError, match="acquisition"):
        Search(SPACE, acquisition="ucbb").ask()


@pytest.mark.parametrize("guide", [None, Ridge()], ids=["plain", "guided"])
def test_tiny_space_is_exhausted_with_a_clear_error(guide) -> None:
    search = Search(Space("mlp", units=(2, 3)), guide, population=2, offspring=3)
    # A pair, chains, forks, joins and all three edges, each edge residual or not: 20 in all.
    with pytest.raises(InvalidInputError, match=r"n must be at most \d+, the new structures found"):
        search.ask(21)
    assert len(search.history) == 0

    def to_the_end() -> None:
        for _ in range(21):
            search.tell(candidates := search.ask(1), [float(s.num_edges) for s in candidates])

    with pytest.raises(InvalidInputError, match=r"n must be at most 0.*exhausted"):
        to_the_end()
    assert 5 <= search.history.fingerprint.nunique() == len(search.history) <= 20


def test_optuna_stays_silent(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture) -> None:
    optuna.logging.enable_propagation()
    before = optuna.logging.get_verbosity()
    try:
        with caplog.at_level(logging.INFO):
            run(Search(SPACE), rounds=2)
    finally:
        optuna.logging.disable_propagation()
    assert optuna.logging.get_verbosity() == before
    assert not caplog.records
    assert capfd.readouterr().err == ""


def test_constructor_only_stores() -> None:
    search = Search(SPACE, guide := Ridge(), population=-1)
    assert (search.space, search.guide, search.population) == (SPACE, guide, -1)
