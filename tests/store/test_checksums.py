"""Checksums by place, without a run around them."""

import zlib

import numpy as np
import pytest
import zarr

from jtdiag import files
from jtdiag.errors import StoreError
from jtdiag.store import checksums
from jtdiag.store.chunks import damage, read
from jtdiag.store.lanes import Lane

LANE = Lane(2, 1)


@pytest.fixture
def store(tmp_path):
    """Two arrays, whose chunks end with four known bytes, and what does not count as a chunk."""
    for name, tail in {
        "a/c/0/0": b"\x01\x02\x03\x04",
        "a/c/0/1": b"\x00\x00\x00\xff",
        "a/c/1/0": b"abcd",
        "b/c": b"efgh",
    }.items():
        path = tmp_path / "store" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content" + tail)
    (tmp_path / "store" / "a" / "c" / "0" / "0.partial").write_bytes(b"half a chunk")
    return tmp_path / "store"


@pytest.mark.parametrize(
    ("content", "checksum"),
    [
        (b"", ""),
        (b"abc", ""),
        (b"\x01\x02\x03\x04", "01020304"),
        (b"\x00\x01\x02\xff", "000102ff"),
        (b"xx\x0a\x0b\x0c\x0d", "0a0b0c0d"),
    ],
)
def test_the_checksum_of_a_chunk_is_its_last_four_bytes(tmp_path, content, checksum):
    path = tmp_path / "0"
    path.write_bytes(content)
    assert checksums.of_chunk(path) == checksum


def test_the_checksum_of_rows_is_that_of_their_bytes_in_c_order():
    values = np.arange(6.0).reshape(2, 3)
    expected = f"{zlib.crc32(values.tobytes()):08x}"
    assert checksums.of_rows(values) == expected
    assert checksums.of_rows(np.asfortranarray(values)) == expected
    assert checksums.of_rows(values.T) != expected
    assert checksums.of_rows(np.zeros(0)) == "00000000"


def test_chunks_are_listed_by_array_and_place(store):
    assert checksums.of_arrays(store, ["a", "b", "absent"]) == {
        "a": {"0/0": "01020304", "0/1": "000000ff", "1/0": "61626364"},
        "b": {".": "65666768"},
        "absent": {},
    }


def test_those_of_an_index_are_the_chunks_below_it(store):
    assert checksums.of_arrays(store, ["a"], (0,)) == {"a": {"0/0": "01020304", "0/1": "000000ff"}}
    assert checksums.of_arrays(store, ["a"], (1, 0)) == {"a": {"1/0": "61626364"}}


def test_partial_files_are_no_chunks(store):
    folder = store / "a" / "c"
    assert checksums.chunk_files(folder) == [
        folder / "0" / "0",
        folder / "0" / "1",
        folder / "1" / "0",
    ]
    assert checksums.chunk_files(folder / "1" / "0") == [folder / "1" / "0"]
    assert checksums.chunk_files(folder / "9") == []


def test_chunks_that_are_as_recorded_are_accepted(store):
    checksums.require(store, "a", {"0/0": "01020304", "1/0": "61626364"})
    checksums.require(store, "a", {})


def test_another_chunk_in_its_place_is_refused(store):
    with pytest.raises(StoreError) as caught:
        checksums.require(store, "a", {"0/0": "01020304", "0/1": "61626364"})
    assert str(caught.value) == (
        f"{store / 'a' / 'c' / '0' / '1'}: this is not the chunk that was written here. "
        f"See what is damaged with: jtdiag check {store.parent}"
    )


def test_a_missing_chunk_is_refused(store):
    with pytest.raises(StoreError) as caught:
        checksums.require(store, "a", {"7": "01020304"})
    assert str(caught.value) == (
        f"{store / 'a' / 'c' / '7'}: a chunk of a sealed epoch is missing or cannot be read "
        f"(No such file or directory). See what is damaged with: jtdiag check {store.parent}"
    )


# --- records -------------------------------------------------------------------------------------

CHUNKS = {"a": {"0/0": "01020304"}}


@pytest.fixture
def run(tmp_path):
    """A folder with the one in which records are kept."""
    (tmp_path / "lanes").mkdir()
    return tmp_path


def test_a_record_is_read_as_it_was_written(run):
    checksums.write(run, LANE, 5, CHUNKS)
    assert checksums.path_of(run, LANE, 5) == run / "lanes/lam1-trial2-epoch5.chunks.json"
    assert checksums.read(run, LANE, 5) == CHUNKS
    assert checksums.read(run, LANE, 4) is None


@pytest.mark.parametrize(("lane", "epoch"), [(Lane(1, 2), 5), (LANE, 6)])
def test_the_record_of_another_epoch_or_lane_is_refused(run, lane, epoch):
    checksums.write(run, LANE, 5, CHUNKS)
    path = checksums.path_of(run, lane, epoch)
    checksums.path_of(run, LANE, 5).rename(path)
    with pytest.raises(StoreError) as caught:
        checksums.read(run, lane, epoch)
    assert str(caught.value) == (
        f"{path}: is damaged (it is another file). See what is damaged with: jtdiag check {run}"
    )


def test_a_record_that_was_changed_is_refused(run):
    checksums.write(run, LANE, 5, CHUNKS)
    path = checksums.path_of(run, LANE, 5)
    path.write_text(path.read_text("utf-8").replace("01020304", "01020305"), "utf-8")
    with pytest.raises(StoreError) as caught:
        checksums.read(run, LANE, 5)
    assert str(caught.value).startswith(f"{path}: is damaged (")
    assert str(caught.value).endswith(f"). See what is damaged with: jtdiag check {run}")


def test_what_is_written_once_is_recorded_with_the_hashes_of_metadata(run):
    assert checksums.read_created(run) is None
    checksums.write_created(run, CHUNKS, {"zarr.json": "abc"})
    assert (run / "lanes" / "store.chunks.json").is_file()
    created = checksums.read_created(run)
    assert files.without_checksum(files.with_checksum(created)) == {
        "chunks": CHUNKS,
        "metadata": {"zarr.json": "abc"},
    }


@pytest.mark.parametrize("fields", [{"chunks": {}}, {"metadata": {}}, {}])
def test_a_record_of_the_creation_without_its_fields_is_refused(run, fields):
    path = run / "lanes" / "store.chunks.json"
    files.write_json(path, fields)
    with pytest.raises(StoreError) as caught:
        checksums.read_created(run)
    assert str(caught.value) == (
        f"{path}: is another file. See what is damaged with: jtdiag check {run}"
    )


def test_the_record_of_another_epoch_is_refused_under_the_right_name_too(run):
    path = checksums.path_of(run, LANE, 5)
    for fields in ({"lane": LANE.key, "epoch": 6}, {"lane": "lam0-trial0", "epoch": 5}):
        files.write_json(path, fields | {"chunks": CHUNKS})
        with pytest.raises(StoreError) as caught:
            checksums.read(run, LANE, 5)
        assert str(caught.value) == (
            f"{path}: is the record of another epoch or lane. "
            f"See what is damaged with: jtdiag check {run}"
        )


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("wrong"), RuntimeError("broken")])
def test_errors_while_a_chunk_is_read_are_one_line(error):
    with pytest.raises(StoreError) as caught, damage("here"):
        raise error
    assert str(caught.value) == (
        f"here: a chunk is damaged or cannot be read ({error}). "
        "Train the run again, or restore the folder from a backup."
    )


def test_part_of_an_array_is_read(tmp_path):
    values = np.arange(6.0).reshape(2, 3)
    array = zarr.create_array(tmp_path / "a", data=values, chunks=(1, 3))
    np.testing.assert_array_equal(read(array, (1, slice(2))), [3.0, 4.0])
    [chunk] = (tmp_path / "a" / "c" / "1").iterdir()
    chunk.write_bytes(b"no chunk")
    np.testing.assert_array_equal(read(array, 0), values[0])
    with pytest.raises(StoreError) as caught:
        read(array, 1)
    assert str(caught.value).startswith(
        f"file://{tmp_path / 'a'}: a chunk is damaged or cannot be read ("
    )


def test_other_errors_are_not_taken_for_damage():
    with pytest.raises(KeyError), damage("here"):
        raise KeyError("name")
