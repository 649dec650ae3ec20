"""Time and memory of ``extract`` on large networks, beside torchlens and deepstruct, in one run.

    python tests/benchmarks/extract_scale.py [CASE ...] [--limit 300]

The cases: ``resnet18`` and ``resnet50`` (defined here, random weights), ``bert`` (BERT-base, if transformers
is installed) and ``onnx`` (a perceptron of 100 MB in a file, if onnx is), all at unit resolution;
``features`` of ResNet-18 at unit resolution; ``torchlens-NAME`` and ``deepstruct-NAME`` for each, where those
are installed. Each case runs in a process of its own and is ended after the limit. Printed are CPU seconds,
units and edges, the peak of memory for each edge beyond the weights as ``tracemalloc`` counts it, and how the
estimate that a refusal would name compares with the peak.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from extract_speed import resnet18
from torch import Tensor, nn

CASES = ("resnet18", "resnet50", "bert", "onnx")
OTHERS = ("features", *(f"{other}-{name}" for other in ("torchlens", "deepstruct") for name in CASES[:3]))


class Bottleneck(nn.Module):
    """A block of ResNet-50 (He et al., 2016, arXiv:1512.03385)."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.main = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self.short: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.main(x) + self.short(x))


def resnet50() -> nn.Module:
    blocks: list[nn.Module] = []
    inputs = 64
    for width, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for place in range(count):
            blocks.append(Bottleneck(inputs, width, stride if place == 0 else 1))
            inputs = 4 * width
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1), *blocks,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000),
    )  # fmt: skip


def bert() -> nn.Module:
    import transformers

    return transformers.BertModel(transformers.BertConfig())


def example(name: str) -> Any:
    return torch.ones(1, 16, dtype=torch.long) if name == "bert" else torch.zeros(1, 3, 224, 224)


def module_of(name: str) -> nn.Module:
    torch.manual_seed(0)
    return {"resnet18": resnet18, "resnet50": resnet50, "bert": bert}[name]().eval()


def onnx_file(folder: Path) -> Path:
    """A perceptron with 25 million weights."""
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    generator, nodes, weights = np.random.default_rng(0), [], []
    sizes, value = (1000, 3500, 3500, 2600, 100), "x"
    for place, (inputs, outputs) in enumerate(pairwise(sizes)):
        array = generator.normal(size=(inputs, outputs)).astype(np.float32)
        weights.append(numpy_helper.from_array(array, f"w{place}"))
        nodes.append(helper.make_node("MatMul", [value, f"w{place}"], [f"m{place}"]))
        nodes.append(helper.make_node("Relu", [f"m{place}"], [f"r{place}"]))
        value = f"r{place}"
    ends = [
        [helper.make_tensor_value_info(name, 1, [1, size])]
        for name, size in (("x", sizes[0]), (value, sizes[-1]))
    ]
    graph = helper.make_graph(nodes, "perceptron", *ends, weights)
    path = folder / "perceptron.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def extracted(name: str) -> dict[str, Any]:
    from nnstruct.extract import extract, extract_onnx
    from nnstruct.network.assembly import peak_bytes

    with tempfile.TemporaryDirectory() as folder:
        if name == "onnx":
            path = onnx_file(Path(folder))
            weights = path.stat().st_size

            def work() -> Any:
                return extract_onnx(path)
        else:
            module, x = module_of(name), example(name)
            weights = 4 * sum(value.numel() for value in module.parameters())

            def work() -> Any:
                return extract(module, x, max_edges=200_000_000)

        extract(nn.Linear(2, 2), torch.zeros(1, 2))  # loads torch.export
        begin = time.process_time()
        network = work()
        seconds = time.process_time() - begin
        units, edges = network.structure.num_units, network.structure.num_edges
        del network
        tracemalloc.start()
        kept = work()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        del kept
        estimate = peak_bytes(blocks_of(work))
    own = weights if name == "onnx" else 0  # the file's arrays are traced, a module's are there before
    return {
        "seconds": round(seconds, 1), "units": units, "edges": edges, "weights": weights,
        "bytes an edge": round((peak - own) / edges, 1), "estimate / peak": round(estimate / peak, 2),
    }  # fmt: skip


def blocks_of(work: Any) -> Any:
    """The blocks of edges that are wired during an extraction, before they are put together."""
    from nnstruct.network import assembly

    seen: list[Any] = []
    usual = assembly.wired

    def noted(*args: Any) -> Any:
        found = usual(*args)
        seen.append(found.blocks)
        return found

    assembly.wired = noted  # type: ignore[assignment]
    try:
        work()
    finally:
        assembly.wired = usual
    return seen[-1]


def measured() -> dict[str, Any]:
    from nnstruct.extract import extract
    from nnstruct.properties import PROPERTY_FAMILIES, features

    structure = extract(module_of("resnet18"), example("resnet18")).structure
    found: dict[str, Any] = {"units": structure.num_units, "edges": structure.num_edges}
    for family in PROPERTY_FAMILIES:
        begin = time.process_time()
        table = features([structure], [family])
        share = float(table.notna().to_numpy().mean())
        found[family] = f"{time.process_time() - begin:.1f} s, {share:.0%} known"
    return found


def with_torchlens(name: str) -> dict[str, Any]:
    import torchlens

    module, x = module_of(name), example(name)
    begin = time.process_time()
    log = torchlens.trace(module, x)
    return {"seconds": round(time.process_time() - begin, 1), "nodes": len(log)}


def with_deepstruct(name: str) -> dict[str, Any]:
    from deepstruct.transform import GraphTransform

    module, x = module_of(name), example(name)
    begin = time.process_time()
    transform = GraphTransform(x)
    transform.transform(module)
    graph = transform.get_graph()
    found = {"seconds": round(time.process_time() - begin, 1)}
    return found | {"nodes": graph.number_of_nodes(), "edges": graph.number_of_edges()}


def run(case: str) -> dict[str, Any]:
    other, _, name = case.partition("-")
    if name:
        return {"torchlens": with_torchlens, "deepstruct": with_deepstruct}[other](name)
    return measured() if case == "features" else extracted(case)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=[*CASES, *OTHERS])
    parser.add_argument("--limit", type=int, default=300, help="CPU seconds for each case")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        resource.setrlimit(resource.RLIMIT_CPU, (given.limit, given.limit))
        found = run(given.cases[0])
        found["largest resident GB"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1)
        print(json.dumps(found))
        return
    for case in given.cases:
        command = [sys.executable, __file__, case, "--inside", "--limit", str(given.limit)]
        done = subprocess.run(command, capture_output=True, text=True)
        lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
        ended = f"ended after {given.limit} CPU s" if done.returncode < 0 else "failed"
        print(f"{case}: {lines[-1] if lines else ended}", flush=True)


if __name__ == "__main__":
    main()
