"""Fitted predictors that come with the package."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nnstruct.checks import check_choice
from nnstruct.predictors.base import Predictor
from nnstruct.predictors.homes import FITTED, PRETRAINED, STRUCTURES
from nnstruct.predictors.persistence import DESCRIPTION, load_predictor

FOLDER = Path(__file__).parent / "fitted"
# Rows that predictions rest on: few enough to be read in less than a second.
ROWS = 1500


def load_pretrained(name: str = STRUCTURES) -> Predictor:
    """A predictor that comes with the package.

    ``fashion-cnn``, ``mnist-mlp`` and ``reber-rnn`` are fitted to the benchmarks of their names: they predict
    the test accuracy that a structure reaches on that task, trained as there. ``structures`` scores any
    structure without a label, and learns from few; see
    :func:`nnstruct.predictors.ensemble.load_pretrained`.

    Parameters
    ----------
    name : {"structures", "fashion-cnn", "mnist-mlp", "reber-rnn"}

    Returns
    -------
    Predictor
        Its ``metadata_`` say what it was fitted to and how well it predicts.

    Raises
    ------
    InvalidInputError
        If there is no such predictor.
    CorruptFileError
        If the package's files were altered.

    Examples
    --------
    >>> import nnstruct as ns
    >>> model = ns.load_pretrained("mnist-mlp")
    >>> nets = [ns.Structure.from_layers([10, width, 10]) for width in (5, 50)]
    >>> mean, std = model.predict(nets, return_std=True)
    >>> bool(0 < mean[0] < mean[1] < 1), model.metadata_["task"]
    (True, 'mnist')
    """
    check_choice(name, "name", PRETRAINED)
    if name != STRUCTURES:
        return load_predictor(FOLDER / name)
    from nnstruct.predictors.ensemble.pretrained import load_pretrained as untrained

    return untrained(name)


def pretrained_cards() -> list[dict[str, Any]]:
    """What is told of each predictor that comes with the package.

    Returns
    -------
    list of dict
        ``name``, ``says`` (what it predicts), ``structures`` (number fitted to), ``r2``, ``kendall`` and
        ``ceiling``, each None where it is not known.

    Examples
    --------
    >>> [card["name"] for card in pretrained_cards()]
    ['fashion-cnn', 'mnist-mlp', 'reber-rnn', 'structures']
    """
    cards: list[dict[str, Any]] = []
    for name, says in FITTED.items():
        about = json.loads((FOLDER / name / DESCRIPTION).read_text(encoding="utf-8"))
        scores = about["metadata"].get("scores", {})
        told = {key: scores[key][0] if key in scores else None for key in ("r2", "kendall", "ceiling")}
        cards.append({"name": name, "says": says, "structures": about["fitted"]["num_structures"], **told})
    nothing = dict.fromkeys(("structures", "r2", "kendall", "ceiling"))
    says = "standard deviations above the mean of its task, of any structure, without a label"
    return [*cards, {"name": STRUCTURES, "says": says, **nothing}]


def build_pretrained(
    datasets: str | Path, folder: str | Path = FOLDER, names: Iterable[str] = tuple(FITTED)
) -> list[Path]:
    """Fit the predictors that are shipped anew, and measure them by cross-validation.

    Parameters
    ----------
    datasets : str or Path
        The folder of the shipped benchmarks.
    folder : str or Path
        Where the predictors go; by default into the package.
    names : iterable of str

    Returns
    -------
    list of Path
        Their folders.
    """
    from nnstruct.benchmark import Benchmark
    from nnstruct.predictors.evaluation import evaluate
    from nnstruct.predictors.fitting import fit_with_noise
    from nnstruct.predictors.grouped_gp import GroupedGaussianProcess
    from nnstruct.predictors.model_card import scores_of

    made = []
    for name in names:
        bench = Benchmark.load(Path(datasets) / name)
        model = GroupedGaussianProcess(max_rows=ROWS)
        evaluation = evaluate({name: model}, bench, folds=5, repeats=1)
        fit_with_noise(model, bench.structures, bench.y, bench.label_noise, bench.bounds)
        (config,) = set(bench.table["config_id"])
        metadata = {
            "benchmark": name,
            "task": str(bench.table["task"].iloc[0]),
            "task_fingerprint": str(bench.table["task_fingerprint"].iloc[0]),
            "target": bench.target,
            "families": sorted({structure.family for structure in bench.structures}),
            "units": [min(s.num_units for s in bench.structures), max(s.num_units for s in bench.structures)],
            "config": bench.configs[config].as_dict(),
            "scores": scores_of(evaluation, name),
        }
        made.append(model.save(Path(folder) / name, metadata=metadata, overwrite=True))
    return made
