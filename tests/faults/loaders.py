"""What reads each kind of file, as far as a user goes with it; the name of a loader and what it is given."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "predictors" / "weights"))


def npz(path: Path) -> None:
    from nnstruct.cli.prune import _from_arrays

    _from_arrays(path)


def onnx(path: Path) -> None:
    from nnstruct.extract import extract_onnx

    network = extract_onnx(path, max_edges=200_000)
    assert network.structure.fingerprint


def trajectories(path: Path) -> None:
    from nnstruct.pruning import load_trajectories, trajectory_table

    trajectory_table(load_trajectories(path))


def study(path: Path) -> None:
    import nnstruct as ns

    search = ns.Search(ns.Space("rnn_tanh", units=(5, 9)), seed=0, storage=f"sqlite:///{path}")
    _ = (search.history, search.best)


def structures(path: Path) -> None:
    from nnstruct.cli.inputs import read_structures

    for structure in read_structures(path):
        assert structure.fingerprint


def recipe(path: Path) -> None:
    from nnstruct.errors import NnstructError
    from nnstruct.recipes import DatasetRecipe, PredictorRecipe, PruningRecipe, read_recipe

    kinds = (DatasetRecipe, PredictorRecipe, PruningRecipe)
    for number, kind in enumerate(kinds):
        try:
            read_recipe(path, kind)
            return
        except NnstructError:
            if number + 1 == len(kinds):
                raise


def predictor(path: Path) -> None:
    from nnstruct import Structure
    from nnstruct.predictors import load_predictor

    model = load_predictor(path)
    asked = [Structure.from_layers([2, 3, 1]), Structure.from_layers([4, 2])]
    model.predict(asked, return_std=True)


def benchmark(path: Path) -> None:
    import nnstruct as ns

    bench = ns.Benchmark.load(path)
    _ = (len(bench), bench.y, bench.table, bench.noise_ceiling, [s.fingerprint for s in bench.structures])


def network(path: Path) -> None:
    from nnstruct import Network

    _ = Network.load(path).structure.fingerprint


def evaluation(path: Path) -> None:
    from nnstruct.predictors import Evaluation

    _ = str(Evaluation.load(path))


def images(path: Path) -> None:
    from nnstruct.tasks.image_files import read_idx_pair

    read_idx_pair(path / "images.gz", path / "labels.gz", (28, 28))


# By the name that the tables of results use: the loader, and the file or folder in a case's folder.
LOADERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "npz": (npz, "data.npz"),
    "onnx": (onnx, "m.onnx"),
    "traj": (trajectories, "t.parquet"),
    "db": (study, "search.db"),
    "sjson": (structures, "s.json"),
    "sparquet": (structures, "s.parquet"),
    "graphml": (structures, "s.graphml"),
    "toml": (recipe, "recipe.toml"),
    "pred_sealed": (predictor, "p"),
    "bench_sealed": (benchmark, "b"),
    "network": (network, "n.safetensors"),
    "evaluation": (evaluation, "e"),
    "images": (images, "i"),
}
