"""A damaged file is found, named, and can be set aside."""

import json
import math
import os
import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmark_fakes import CONFIG, data_bytes, make_record, make_structures, make_task

from nnstruct import files
from nnstruct.benchmark import Benchmark, FolderBusyError, build, generate, repair
from nnstruct.benchmark.contents import BASE, RECORDS, STRUCTURES
from nnstruct.benchmark.manifest import read_manifest, write_manifest
from nnstruct.benchmark.store import Store
from nnstruct.errors import CorruptFileError, InvalidInputError, MissingDataError, NnstructError


@pytest.fixture
def unfinished(tmp_path, engine):
    """A folder whose records are still in shards, all of them listed in the manifest."""
    task, structures = make_task(), make_structures(6)
    with Store(tmp_path / "b", task.name, task.fingerprint, [CONFIG]) as store:
        store.add_structures(structures)
        for seed in range(2):
            store.add_records(make_record(structure, seed, task) for structure in structures)
    with Store(tmp_path / "b", task.name, task.fingerprint, [CONFIG]):
        pass
    return tmp_path / "b"


@pytest.fixture
def finished(tmp_path, engine):
    build(make_task(), make_structures(6), seeds=2, config=CONFIG, out=tmp_path / "b")
    return tmp_path / "b"


def record_shards(folder):
    return sorted((folder / "shards").glob("records-*.parquet"))


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def rebuild(folder):
    return build(make_task(), make_structures(6), seeds=2, config=CONFIG, out=folder)


def both_refuse(folder, message):
    with pytest.raises(CorruptFileError, match=message):
        Benchmark.load(folder)
    with pytest.raises(CorruptFileError, match=message):
        rebuild(folder)


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_truncated_shard(unfinished, keep, listed):
    shard = record_shards(unfinished)[0]
    if not listed:
        forget(unfinished, shard)
    os.truncate(shard, int(keep * shard.stat().st_size))
    both_refuse(unfinished, rf"{shard.name} is truncated.*repair")


def forget(folder, shard):
    manifest = read_manifest(folder)
    del manifest.files[f"shards/{shard.name}"]
    write_manifest(folder, manifest)


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_flipped_bit_in_a_shard(unfinished, place, listed):
    shard = record_shards(unfinished)[1]
    if not listed:
        forget(unfinished, shard)
    flip(shard, int(place * shard.stat().st_size))
    both_refuse(unfinished, f"{shard.name} is altered")


@pytest.mark.parametrize("name", BASE)
def test_flipped_bit_in_a_merged_file(finished, name):
    flip(finished / name, (finished / name).stat().st_size // 2)
    both_refuse(finished, f"{name.split('/')[1]} is altered")


@pytest.mark.parametrize("kind", ["pickle", "text", "zip", "empty"])
def test_another_kind_of_file_in_place_of_a_shard(unfinished, kind):
    content = {"pickle": pickle.dumps({"a": 1}), "text": b"a,b\n1,2\n", "zip": b"PK\x03\x04xx", "empty": b""}
    shard = record_shards(unfinished)[0]
    shard.write_bytes(content[kind])
    said = {"pickle": "a pickle", "text": "starts with", "zip": "a zip archive", "empty": "empty"}
    both_refuse(unfinished, f"{shard.name} is not a Parquet file but {said[kind]}")


def test_a_pickle_is_never_run(unfinished, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    record_shards(unfinished)[0].write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CorruptFileError):
        Benchmark.load(unfinished)
    assert not (tmp_path / "exploded").exists()


def test_page_checksums_are_written_and_verified(finished):
    altered = bytearray((finished / RECORDS).read_bytes())
    column = pq.ParquetFile(finished / RECORDS).metadata.row_group(0).column(0)
    # Pages stand one after the other from the dictionary on; the last bytes are a page's content.
    altered[column.dictionary_page_offset + column.total_compressed_size - 1] ^= 1
    with pytest.raises(OSError, match="CRC checksum"):
        pq.ParquetFile(pa.BufferReader(bytes(altered)), page_checksum_verification=True).read()


def test_missing_shard_is_named(unfinished):
    shard = record_shards(unfinished)[0]
    shard.unlink()
    both_refuse(unfinished, f"{shard.name} is missing though the manifest lists it")


def test_foreign_parquet_file_among_the_shards(unfinished):
    (unfinished / "shards" / "mine.parquet").write_bytes(b"PAR1")
    both_refuse(unfinished, r"mine.parquet is not named like a shard")


@pytest.mark.parametrize("how", ["missing", "cut", "edited", "no checksum", "newer"])
def test_damaged_manifest(finished, how):
    path = finished / "manifest.json"
    content = json.loads(path.read_text())
    if how == "missing":
        path.unlink()
        with pytest.raises(MissingDataError, match=r"no manifest.json"):
            Benchmark.load(finished)
        with pytest.raises(CorruptFileError, match=r"manifest.json is missing though"):
            rebuild(finished)
        return
    if how == "newer":
        path.write_text(json.dumps(content | {"schema_version": 99}))
        with pytest.raises(InvalidInputError, match=r"at most 1, got 99.*Update nnstruct"):
            Benchmark.load(finished)
        return
    if how == "cut":
        path.write_text(path.read_text()[:200])
    elif how == "edited":
        path.write_text(json.dumps(content | {"compacted_through": 0}))
    else:
        path.write_text(json.dumps({k: v for k, v in content.items() if k != "checksum"}))
    both_refuse(finished, r"manifest.json")


@pytest.mark.parametrize("damage", ["truncated", "missing", "structures"])
def test_repair_sets_a_shard_aside_and_build_heals_the_folder(unfinished, engine, tmp_path, damage):
    shard = record_shards(unfinished)[0]
    if damage == "structures":
        shard = next((unfinished / "shards").glob("structures-*.parquet"))
    if damage == "missing":
        shard.unlink()
    else:
        os.truncate(shard, 100)
    aside = repair(unfinished)
    expected = shard if damage == "missing" else unfinished / "damaged" / shard.name
    assert aside == [expected]
    assert repair(unfinished) == []
    if damage == "structures":
        with pytest.raises(CorruptFileError, match="structures of 6 fingerprints"):
            Benchmark.load(unfinished)
    rebuild(unfinished)
    assert len(engine.trained) == (0 if damage == "structures" else 6)
    engine.trained.clear()
    rebuild(tmp_path / "fresh")
    assert data_bytes(unfinished) == data_bytes(tmp_path / "fresh")


@pytest.mark.parametrize("name", BASE)
@pytest.mark.parametrize("damage", ["flip", "missing"])
def test_repair_of_merged_files(finished, engine, name, damage):
    expected = data_bytes(finished)
    if damage == "flip":
        flip(finished / name, 50)
    else:
        (finished / name).unlink()
    engine.trained.clear()
    assert [path.name for path in repair(finished)] == [name.split("/")[1]]
    rebuild(finished)
    assert len(engine.trained) == (12 if name == RECORDS else 0)
    assert data_bytes(finished) == expected


def test_repair_of_a_sound_folder_changes_nothing(finished):
    before = {p: p.read_bytes() for p in finished.rglob("*") if p.is_file()}
    assert repair(finished) == []
    assert {p: p.read_bytes() for p in finished.rglob("*") if p.is_file()} == before


def test_a_busy_folder_names_its_holder(tmp_path, engine):
    task = make_task()
    with Store(tmp_path, task.name, task.fingerprint, [CONFIG]):
        with pytest.raises(FolderBusyError, match=f"being written by process {os.getpid()} on"):
            rebuild(tmp_path)
        with pytest.raises(FolderBusyError, match="wait=SECONDS"):
            repair(tmp_path)
    assert len(rebuild(tmp_path).table) == 12
    assert issubclass(FolderBusyError, NnstructError)


def test_an_error_on_opening_releases_the_folder(finished):
    with pytest.raises(InvalidInputError, match="task must be that of the folder"):
        build(make_task(flip=1), make_structures(2), config=CONFIG, out=finished)
    assert len(rebuild(finished).table) == 12


def test_wait_is_checked(tmp_path, engine):
    for bad in (-1.0, "long", True, math.nan):
        with pytest.raises(InvalidInputError, match="wait"):
            build(make_task(), make_structures(1), config=CONFIG, out=tmp_path / "b", wait=bad)


def test_reading_goes_on_while_a_build_merges(tmp_path, engine, monkeypatch):
    """Each record's callback reads the folder; no view is torn and none goes backwards."""
    monkeypatch.setattr(generate, "FLUSH_RECORDS", 2)
    seen = []

    def look(record):
        seen.append(len(Benchmark.load(tmp_path / "b").table))

    build(make_task(), make_structures(5), seeds=3, config=CONFIG, out=tmp_path / "b", on_record=look)
    assert seen == sorted(seen)
    assert seen[-1] == 14


def test_a_lost_manifest_is_written_anew(unfinished, tmp_path):
    build(make_task(), make_structures(6), seeds=2, config=CONFIG, out=tmp_path / "whole")
    (unfinished / "manifest.json").unlink()
    with pytest.warns(UserWarning, match=rf"cannot vouch for what the configurations {CONFIG.id} are"):
        assert repair(unfinished) == []
    assert len(Benchmark.load(unfinished).table) == 12
    rebuild(unfinished)
    assert data_bytes(unfinished) == data_bytes(tmp_path / "whole")
    (unfinished / "manifest.json").unlink()
    with pytest.warns(UserWarning, match=r"data/records\.parquet, .* as wholes"):
        assert repair(unfinished) == []
    assert len(rebuild(unfinished).table) == 12
    assert data_bytes(unfinished) == data_bytes(tmp_path / "whole")


def test_what_is_damaged_does_not_come_into_a_manifest_that_is_written_anew(finished):
    whole = data_bytes(finished)
    (finished / "manifest.json").unlink()
    flip(finished / STRUCTURES, 100)
    with pytest.warns(UserWarning, match="cannot vouch"):
        assert repair(finished) == [finished / "damaged" / "structures.parquet"]
    rebuild(finished)
    assert data_bytes(finished) == whole
    (finished / "manifest.json").unlink()
    (finished / RECORDS).unlink()
    with pytest.raises(CorruptFileError, match=r"its records tell of no task"):
        repair(finished)


def test_a_column_that_is_there_twice(finished):
    """Its manifest was made right again, as by someone who means it."""
    table = pq.read_table(finished / RECORDS)
    twice = table.append_column("val", table.column("val"))
    pq.write_table(twice, finished / RECORDS)
    manifest = read_manifest(finished)
    size = (finished / RECORDS).stat().st_size
    manifest.files[RECORDS] = manifest.files[RECORDS].model_copy(
        update={"sha256": files.sha256((finished / RECORDS).read_bytes()), "bytes": size}
    )
    write_manifest(finished, manifest)
    both_refuse(finished, "has more than one column 'val'")
