"""Sound files of every kind that nnstruct reads, small ones, from which damaged ones are made."""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path

import numpy as np

import nnstruct as ns


def make(root: Path) -> dict[str, list[Path]]:
    """By loader, the folders of sound cases."""
    warnings.simplefilter("ignore")
    made: dict[str, list[Path]] = {}

    def case(loader: str, name: str) -> Path:
        folder = root / f"{loader}.{name}"
        folder.mkdir(parents=True)
        made.setdefault(loader, []).append(folder)
        return folder

    _arrays(case)
    _structures(case)
    _models(case)
    _recipes(case)
    _trained(case)
    _predictors(case)
    return made


def _arrays(case) -> None:
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(30, 4)).astype(np.float32), rng.integers(0, 2, 30)
    np.savez(case("npz", "plain") / "data.npz", inputs=inputs, targets=targets)
    np.savez_compressed(case("npz", "packed") / "data.npz", inputs=inputs, targets=targets)
    folder = case("images", "idx") / "i"
    folder.mkdir()
    pixels = rng.integers(0, 255, (12, 28, 28)).astype(np.uint8).tobytes()
    head = b"".join(number.to_bytes(4, "big") for number in (0x803, 12, 28, 28))
    (folder / "images.gz").write_bytes(gzip.compress(head + pixels, 1))
    head = b"".join(number.to_bytes(4, "big") for number in (0x801, 12))
    (folder / "labels.gz").write_bytes(gzip.compress(head + bytes(range(10)) + bytes(2), 1))


def _structures(case) -> None:
    import networkx as nx
    import pyarrow.parquet as pq

    from nnstruct.structure.interchange import to_arrow

    nets = ns.priors.sample(ns.Space("rnn_tanh", units=(5, 9)), n=6, seed=0)
    nets.append(ns.Structure([[0, 1], [1, 2]], 3, family="cnn", attributes={"channels": [1, 4, 8]}))
    pq.write_table(to_arrow(nets), case("sparquet", "mixed") / "s.parquet", write_page_checksum=True)
    pq.write_table(to_arrow(nets), case("sparquet", "plain") / "s.parquet", compression="none")
    graphs = [nx.node_link_data(net.to_networkx(), edges="edges") for net in nets[:3]]
    (case("sjson", "list") / "s.json").write_text(json.dumps(graphs))
    (case("sjson", "one") / "s.json").write_text(json.dumps(graphs[0]))
    nx.write_graphml(nets[0].to_networkx(), case("graphml", "one") / "s.graphml")
    network = ns.Network(nets[-1].from_layers([3, 2]), np.ones((6, 1)), np.zeros((5, 1)))
    network.save(case("network", "mlp") / "n.safetensors")


def _models(case) -> None:
    import torch

    nn = torch.nn
    cnn = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(16, 3),
    )  # fmt: skip

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.out = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

        def forward(self, x):
            return self.out(self.lstm(x)[0][:, -1])

    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(6, 2)

        def forward(self, x):
            return self.c(torch.cat([torch.tanh(self.a(x)), self.b(x)], dim=1).softmax(dim=1))

    given = {"cnn": (cnn, (1, 1, 10, 10)), "lstm": (Recurrent(), (1, 4, 3)), "joined": (Joined(), (1, 4))}
    for name, (module, shape) in given.items():
        file = case("onnx", name) / "m.onnx"
        torch.onnx.export(module.eval(), (torch.zeros(shape),), str(file), dynamo=False)


def _recipes(case) -> None:
    repository = Path(__file__).parents[2]
    for number, file in enumerate(
        [
            repository / "datasets/reber-mini/recipe.toml",
            repository / "datasets/pruned/mlp/recipe.toml",
            *sorted((repository / "train").glob("*.toml"))[:2],
        ]
    ):
        (case("toml", str(number)) / "recipe.toml").write_text(file.read_text())


def _trained(case) -> None:
    import torch

    from nnstruct.predictors import evaluate
    from nnstruct.pruning import run_trajectory, save_trajectories

    task = ns.load_task("reber", train=60, val=20, test=20)
    nets = ns.priors.sample(ns.Space("gru", units=(5, 6)), n=4, seed=0)
    out = case("bench_sealed", "gru") / "b"
    bench = ns.build(task, nets, seeds=2, config=ns.TrainConfig(epochs=2), workers=1, out=out)
    evaluate(["mean"], bench, folds=2, repeats=1).save(case("evaluation", "mean") / "e")
    config, digits = ns.TrainConfig(epochs=1), ns.load_task("digits")
    mlp = torch.nn.Sequential(torch.nn.Linear(64, 4), torch.nn.ReLU(), torch.nn.Linear(4, 10))
    run = run_trajectory(mlp, digits, [0.5], config=config, structures=True)
    save_trajectories([run], case("traj", "mlp") / "t.parquet")
    file = case("db", "rnn") / "search.db"
    search = ns.Search(ns.Space("rnn_tanh", units=(5, 9)), seed=0, storage=f"sqlite:///{file}")
    for _ in range(2):
        asked = search.ask(3)
        search.tell(asked, [0.1 * net.num_units for net in asked])
    search.ask(2)


def _predictors(case) -> None:
    from nnstruct.predictors import PREDICTORS

    nets = [ns.Structure.from_layers([2, width, 2]) for width in range(1, 21)]
    labels = [float(net.num_units) for net in nets]
    small = {
        "random-forest": {"n_estimators": 3}, "extra-trees": {"n_estimators": 3},
        "adaboost": {"n_estimators": 3}, "hist-gradient-boosting": {"members": 2, "max_iter": 3},
        "bayesian-ridge": {}, "gaussian-process": {}, "mean": {}, "grouped-gp": {},
        "gnn": {"hidden": 4, "layers": 1, "members": 1, "max_epochs": 1},
        "semi-supervised-assessor": {"members": 1, "hidden": 4, "embedding": 2, "steps": 5, "near": 2},
        "conformal": {}, "auto": {},
    }  # fmt: skip
    for name, options in small.items():
        if name in PREDICTORS:
            PREDICTORS[name](**options).fit(nets, labels).save(case("pred_sealed", name) / "p")
