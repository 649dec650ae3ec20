"""Damaged files of every kind, drawn anew from a seed, and what reading each gives: a table of results.

    python tests/faults/mutations.py --count 10000 --seed 1 --minutes 25 --table faults.md

Half are bytes gone wrong: flipped, cut, repeated, filled, of another file. The others know the format: a
value of a column, a key, a table or an archive is another, and every checksum is made right again, as by
someone who means it. Nothing of this runs with the other tests; it takes some 20 minutes of one core.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import sqlite3
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from loaders import LOADERS
from outcomes import outcomes, table, try_out
from seeds import make

sys.path.insert(0, str(Path(__file__).parents[1] / "predictors"))
from resealing import reseal

ODD: tuple[Any, ...] = (
    None, -1, 0, 1, 2**31 - 1, 2**31, 2**40, 2**63, -(2**63), 10**400, 1e308, -1e308, float("nan"), "", "x",
    "\0", "../../etc/passwd", "x" * 5000, [], {}, [[]], [1, [2, 3]], {"a": 1}, True, "é\ud800",
)  # fmt: skip


def bytes_wrong(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """Bytes as a bad disk, a torn write or a wrong program leaves them."""
    raw = bytearray(data)
    size = max(len(raw), 1)
    kind = rng.integers(9)
    place = int(rng.integers(size))
    if kind == 0:
        for at in rng.integers(size, size=rng.integers(1, 9)):
            if at < len(raw):
                raw[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        raw = raw[:place]
    elif kind == 2:
        length = int(rng.integers(1, 64))
        raw[place : place + length] = bytes(min(length, len(raw) - place))
    elif kind == 3:
        raw[place : place + 16] = rng.bytes(16)
    elif kind == 4:
        raw += raw[place : place + 4096]
    elif kind == 5:
        other = others[int(rng.integers(len(others)))]
        raw = raw[:place] + other[min(place, len(other)) :]
    elif kind == 6:
        raw = bytearray() if rng.integers(2) else bytearray(rng.bytes(int(rng.integers(1, 200))))
    elif kind == 7:
        width = int(rng.choice([1, 2, 4, 8]))
        number = int(rng.choice([0, 1, 2**7, 2**15 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1]))
        raw[place : place + width] = (number % 2 ** (8 * width)).to_bytes(width, "little")
    else:
        raw = raw[:place] + raw[place + int(rng.integers(1, 200)) :]
    return bytes(raw)


def value_wrong(value: Any, rng: np.random.Generator) -> Any:
    """A JSON value with one place of it another."""
    places: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
        for key in keys:
            places.append((item, key))
            waiting.append(item[key])
    if not places or rng.random() < 0.02:
        return ODD[int(rng.integers(len(ODD)))]
    holder, key = places[int(rng.integers(len(places)))]
    kind = rng.integers(6)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        deep: Any = holder[key]
        for _ in range(int(rng.choice([1, 30, 400]))):
            deep = [deep]
        holder[key] = deep
    elif kind == 2 and isinstance(holder[key], int | float):
        holder[key] = holder[key] * int(rng.choice([-1, 0, 10, 10**6, 10**12]))
    elif kind == 3 and isinstance(holder, dict):
        holder[str(rng.choice(["__proto__", "zzz", "format"]))] = holder[key]
    elif kind == 4:
        other, name = places[int(rng.integers(len(places)))]
        with suppress(KeyError, IndexError, TypeError, ValueError):
            holder[key] = json.loads(json.dumps(other[name]))
    else:
        holder[key] = ODD[int(rng.integers(len(ODD)))]
    return value


def dumped(value: Any, **options: Any) -> bytes:
    return json.dumps(value, **options).encode("utf-8", errors="surrogatepass")


def json_wrong(data: bytes, rng: np.random.Generator) -> bytes:
    try:
        return dumped(value_wrong(json.loads(data), rng))
    except (ValueError, RecursionError):
        return b"[" * 100_000


def parquet_wrong(data: bytes, rng: np.random.Generator) -> bytes:
    """A table with a column gone, of another type, with gaps, or with values of another."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    held = pq.read_table(io.BytesIO(data))
    place = int(rng.integers(held.num_columns))
    name, column = held.column_names[place], held.column(place)
    kind = rng.integers(7)
    try:
        values = column.to_pylist()
        row = int(rng.integers(max(len(values), 1)))
        if kind == 0:
            held = held.drop_columns([name])
        elif kind == 1:
            held = held.append_column(name, column)
        elif kind == 2:
            held = held.set_column(place, name, pa.array([ODD[int(rng.integers(10))]] * len(values)))
        elif kind == 3 and isinstance(values[row], str):
            values[row] = json_wrong(values[row].encode(), rng).decode("utf-8", errors="replace")
            held = held.set_column(place, pa.field(name, column.type), pa.array(values, column.type))
        elif kind == 4:
            held = held.take(rng.integers(held.num_rows, size=int(rng.choice([0, 1, 2 * held.num_rows]))))
        elif kind == 5 and isinstance(values[row], list):
            values[row] = values[row] * 3 if rng.integers(2) else values[row][:-1]
            held = held.set_column(place, pa.field(name, column.type), pa.array(values, column.type))
        else:
            values[row] = ODD[int(rng.integers(len(ODD)))]
            if values[row] is not None and pa.types.is_list(column.type):
                values[row] = [values[row]] * 2
            held = held.set_column(place, pa.field(name, column.type), pa.array(values, column.type))
    except (pa.ArrowException, TypeError, ValueError, OverflowError, IndexError):
        held = held.set_column(place, name, pa.nulls(held.num_rows, column.type))
    out = io.BytesIO()
    pq.write_table(held, out)
    return out.getvalue()


def archive_wrong(data: bytes, rng: np.random.Generator) -> bytes:
    """A zip archive with a member gone wrong: an array of other numbers, shape or type, JSON, or bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as to:
        names = source.namelist()
        chosen = names[int(rng.integers(len(names)))]
        if "schema.json" in names and rng.random() < 0.4:
            chosen = "schema.json"
        for name in names:
            content = source.read(name)
            if name == chosen and name.endswith(".json"):
                content = json_wrong(content, rng)
            elif name == chosen:
                content = array_wrong(content, rng)
            to.writestr(name, content)
    return out.getvalue()


def array_wrong(content: bytes, rng: np.random.Generator) -> bytes:
    kind = rng.integers(6)
    if kind == 0:
        end = content.find(b"\n")
        head = content[:end].replace(b"(", b"(9999999999, ", 1)[:end]
        return head + content[end:]
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError):
        return bytes_wrong(content, rng, [content])
    if array.size and kind in (1, 2):
        flat = np.atleast_1d(array.copy())
        at = int(rng.integers(len(flat)))
        odd = rng.choice([-1, 0, 7, 10**6, 2**31 - 1])
        if array.dtype.names:
            flat[str(rng.choice(list(array.dtype.names)))][at] = odd
        elif array.dtype.kind == "f":
            flat.reshape(-1)[at] = rng.choice([np.nan, np.inf, -1e308, odd])
        elif array.dtype.kind in "iub":
            flat.reshape(-1)[at] = np.array(odd).astype(array.dtype)
        array = flat.reshape(array.shape)
    elif kind == 3:
        array = array[:-1] if array.ndim else array
    elif kind == 4:
        array = array.reshape(-1)[: int(rng.integers(array.size + 1))]
    elif not array.dtype.names:
        array = array.astype(rng.choice(["float32", "int64", "uint8", "complex64"]))
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def tensors_wrong(data: bytes, rng: np.random.Generator) -> bytes:
    """A safetensors file with an array gone, cut, of another type or with other numbers."""
    import safetensors.numpy

    length = int.from_bytes(data[:8], "little")
    note = json.loads(data[8 : 8 + length]).get("__metadata__")
    arrays = safetensors.numpy.load(data)
    name = str(rng.choice(sorted(arrays)))
    if rng.integers(5) == 0:
        del arrays[name]
    else:
        buffer = io.BytesIO()
        np.save(buffer, arrays[name])
        with suppress(ValueError, EOFError, OSError):
            changed = np.load(io.BytesIO(array_wrong(buffer.getvalue(), rng)), allow_pickle=False)
            if changed.dtype.kind in "fiu" and changed.dtype.names is None:
                arrays[name] = np.ascontiguousarray(changed)
    return safetensors.numpy.save(arrays, note)


def toml_wrong(data: bytes, rng: np.random.Generator) -> bytes:
    lines = data.decode().splitlines()
    at = int(rng.integers(len(lines)))
    kind = rng.integers(6)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, lines[int(rng.integers(len(lines)))])
    elif kind == 2:
        lines.insert(at, "x = " + "[" * 4000 + "]" * 4000)
    elif "=" in lines[at]:
        odd = ODD[int(rng.integers(len(ODD)))]
        with suppress(ValueError):
            lines[at] = lines[at].partition("=")[0] + "= " + json.dumps(odd)
        if kind == 3:
            lines[at] = (
                lines[at].partition("=")[0] + "= " + str(rng.choice(["9" * 5000, "1e999", "[1,", "inf"]))
            )
    else:
        lines[at] = "[" + lines[at]
    return "\n".join(lines).encode("utf-8", errors="replace")


def onnx_wrong(data: bytes, rng: np.random.Generator) -> bytes:
    """A model with a node, a name, an attribute, a shape or a constant gone wrong."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_model_from_string(data)
    graph = model.graph
    node = graph.node[int(rng.integers(len(graph.node)))]
    kind = rng.integers(10)
    if kind == 0:
        graph.node.remove(node)
    elif kind == 1 and graph.initializer:
        del graph.initializer[int(rng.integers(len(graph.initializer)))]
    elif kind == 2 and node.input:
        node.input[int(rng.integers(len(node.input)))] = str(rng.choice(["", "nowhere", node.output[0]]))
    elif kind == 3:
        node.op_type = str(rng.choice(["Add", "MatMul", "Reshape", "Concat", "Nope", "Pad", "If", "LSTM"]))
    elif kind == 4 and node.attribute:
        own = node.attribute[int(rng.integers(len(node.attribute)))]
        number = int(rng.choice([-1, 0, 2, 7, 2**31, 2**40, -(2**63)]))
        own.i = number
        if own.ints:
            own.ints[int(rng.integers(len(own.ints)))] = number
    elif kind == 5 and node.attribute:
        del node.attribute[int(rng.integers(len(node.attribute)))]
    elif kind == 6 and graph.initializer:
        tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
        if tensor.dims:
            tensor.dims[int(rng.integers(len(tensor.dims)))] = int(rng.choice([-1, 0, 1, 3, 2**31, 2**40]))
    elif kind == 7 and graph.initializer:
        tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
        array = numpy_helper.to_array(tensor)
        odd = np.resize(array, tuple(rng.integers(0, 5, size=int(rng.integers(0, 5)))))
        tensor.CopyFrom(numpy_helper.from_array(odd, tensor.name))
    elif kind == 8:
        for dim in graph.input[0].type.tensor_type.shape.dim[:1]:
            dim.dim_value = int(rng.choice([-1, 0, 2**20, 2**31, 2**40, 2**62]))
    else:
        model.opset_import[0].version = int(rng.choice([-1, 0, 1, 7, 13, 99, 2**40]))
    return model.SerializeToString()


def study_wrong(path: Path, rng: np.random.Generator) -> None:
    with sqlite3.connect(path) as base:
        tables = ("trials", "trial_user_attributes", "study_user_attributes", "trial_values", "studies")
        name = str(rng.choice(tables))
        columns = [row[1] for row in base.execute(f"pragma table_info({name})")]
        column = str(rng.choice([c for c in columns if c != "rowid"]))
        ids = [row[0] for row in base.execute(f"select rowid from {name}")]
        row = int(rng.choice(ids)) if ids else 0
        old = base.execute(f"select {column} from {name} where rowid = ?", (row,)).fetchone()
        new: Any = ODD[int(rng.integers(len(ODD)))]
        if column == "value_json" and old and rng.random() < 0.8:
            new = json_wrong(old[0].encode(), rng).decode("utf-8", errors="replace")
        elif rng.random() < 0.2:
            base.execute(f"delete from {name} where rowid = ?", (row,))
            return
        if not isinstance(new, str | int | float | None) or (isinstance(new, int) and abs(new) >= 2**63):
            new = "NOPE"
        with suppress(sqlite3.Error, UnicodeEncodeError):
            base.execute(f"update {name} set {column} = ? where rowid = ?", (new, row))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sealed_benchmark(folder: Path, rng: np.random.Generator) -> None:
    """A file of a benchmark gone wrong, and the manifest that vouches for it."""
    from nnstruct.benchmark import manifest as manifests

    told = json.loads((folder / "manifest.json").read_text())
    name = str(rng.choice([*told["files"], "manifest"]))
    if name == "manifest":
        told.pop("checksum")
        told = value_wrong(told, rng)
    else:
        data = parquet_wrong((folder / name).read_bytes(), rng)
        (folder / name).write_bytes(data)
        told["files"][name] |= {"sha256": sha256(data), "bytes": len(data)}
    if isinstance(told, dict):
        told.pop("checksum", None)
        with suppress(ValueError, TypeError, RecursionError, UnicodeEncodeError):
            told["checksum"] = manifests._checksum(told)
    (folder / "manifest.json").write_bytes(dumped(told))


def sealed_predictor(folder: Path, rng: np.random.Generator) -> None:
    """A file of a predictor gone wrong, and its manifest made right again."""
    from nnstruct.predictors import persistence

    parts = {
        file.name: file for file in folder.iterdir() if file.name not in (persistence.MANIFEST, "README.md")
    }
    name = str(rng.choice(sorted(parts)))
    change: dict[str, Callable[[bytes, np.random.Generator], bytes]] = {
        persistence.ESTIMATOR: archive_wrong, persistence.WEIGHTS: tensors_wrong,
        persistence.DESCRIPTION: json_wrong,
    }  # fmt: skip
    parts[name].write_bytes(change[name](parts[name].read_bytes(), rng))
    reseal(folder)


def network_wrong(data: bytes, rng: np.random.Generator) -> bytes:
    """A network's file with its structure or its arrays gone wrong, and its digest made right again."""
    import safetensors.numpy

    from nnstruct.network import storage

    changed = tensors_wrong(data, rng) if rng.integers(2) else data
    arrays, note = safetensors.numpy.load(changed), storage.read_note(data)
    note = value_wrong(note, rng)
    if isinstance(note, dict) and isinstance(note.get("structure"), dict):
        with suppress(TypeError, ValueError):
            note["sha256"] = storage._digest(note["structure"], arrays)
    return safetensors.numpy.save(arrays, {storage.KEY: json.dumps(note)})


BY_FORMAT: dict[str, Callable[[bytes, np.random.Generator], bytes]] = {
    "npz": archive_wrong, "onnx": onnx_wrong, "traj": parquet_wrong, "sjson": json_wrong,
    "sparquet": parquet_wrong, "toml": toml_wrong, "network": network_wrong,
}  # fmt: skip


def mutate(loader: str, folder: Path, rng: np.random.Generator, others: list[bytes]) -> None:
    """Damage one case in place."""
    target = folder / LOADERS[loader][1]
    known = rng.random() < (0.85 if loader.endswith("sealed") else 0.5)
    if known and loader == "bench_sealed":
        sealed_benchmark(target, rng)
    elif known and loader == "pred_sealed":
        sealed_predictor(target, rng)
    elif known and loader == "db":
        study_wrong(target, rng)
    else:
        files = sorted(f for f in target.rglob("*") if f.is_file()) if target.is_dir() else [target]
        file = files[int(rng.integers(len(files)))]
        data = file.read_bytes()
        if known and file.suffix == ".parquet":
            file.write_bytes(parquet_wrong(data, rng))
        elif known and loader in BY_FORMAT:
            file.write_bytes(BY_FORMAT[loader](data, rng))
        else:
            file.write_bytes(bytes_wrong(data, rng, others))


def cases(made: dict[str, list[Path]], numbers: range, seed: int, root: Path) -> Iterator[tuple[str, Path]]:
    """Damaged cases, one after the other; each is deleted when the next is asked for."""
    others = [
        file.read_bytes()
        for folders in made.values()
        for f in folders
        for file in f.rglob("*")
        if file.is_file()
    ]
    loaders = sorted(made)
    for number in numbers:
        rng = np.random.default_rng([seed, number])
        loader = loaders[number % len(loaders)]
        folder = root / f"{loader}-{number:05d}"
        shutil.copytree(made[loader][int(rng.integers(len(made[loader])))], folder)
        try:
            mutate(loader, folder, rng, others)
        except Exception:  # what an earlier draw left cannot be changed by its format
            target = folder / LOADERS[loader][1]
            if target.is_file():
                target.write_bytes(bytes_wrong(target.read_bytes(), rng, others))
        yield loader, folder
        shutil.rmtree(folder, ignore_errors=True)


def sorted_by_loader(sound: Path) -> dict[str, list[Path]]:
    """The sound files of an earlier run."""
    made: dict[str, list[Path]] = {}
    for folder in sorted(sound.iterdir()):
        made.setdefault(folder.name.partition(".")[0], []).append(folder)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first, to go on in pieces")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=25.0, help="stop after so many of processor time")
    parser.add_argument("--sound", type=Path, help="where the sound files are kept from run to run")
    parser.add_argument("--table", type=Path, help="where the table goes; otherwise to the screen only")
    parser.add_argument("--keep", type=Path, help="a folder for the cases that leaked, hung or crashed")
    given = parser.parse_args()
    counts: dict[str, Counter[str]] = {}
    numbers = range(given.first, given.first + given.count)
    root = Path(tempfile.mkdtemp())
    try:
        sound = given.sound or root / "sound"
        made = sorted_by_loader(sound) if sound.exists() else make(sound)
        # The libraries are loaded and the kernels compiled before the first is timed.
        for folder in [folder for each in made.values() for folder in each]:
            said = try_out(folder.name.partition(".")[0], folder)
            if said[0] != "loaded":
                raise SystemExit(f"{folder.name} is not sound: {said}")
        begin = time.monotonic()
        for loader, folder, outcome, message in outcomes(cases(made, numbers, given.seed, root)):
            counts.setdefault(loader, Counter())[outcome] += 1
            if outcome not in ("clear", "loaded"):
                print(json.dumps({"case": folder.name, "outcome": outcome, "what": message}), flush=True)
                if given.keep:
                    shutil.copytree(folder, given.keep / folder.name, dirs_exist_ok=True)
            if time.monotonic() - begin > 240 * given.minutes:
                break
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(table(counts))
    if given.table:
        given.table.write_text(table(counts) + "\n")


if __name__ == "__main__":
    main()
