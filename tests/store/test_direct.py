"""Chunks that are not compressed are read directly: the values that zarr reads, verified."""

import numpy as np
import pytest

from jtdiag import names
from jtdiag.errors import StoreError
from jtdiag.store import direct
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag.testing import toy_run

LANE = Lane(0, 0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One lane of two epochs, whose outputs on test are three chunks, the last one not full."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jtdiag.store.layout.CHUNK_BYTES", 3 * 3 * 8 * 16)
        return toy_run(
            tmp_path_factory.mktemp("run"),
            lam=0.5,
            trials=1,
            train={"epochs": 1},
            keep={"dtype": "float64"},
        )


def test_outputs_are_those_that_zarr_reads(run):
    array = run.array("outputs/test/logits")
    assert direct.is_possible(array)
    blocks = list(run.outputs(LANE, 1, "test"))
    assert [block.logits.shape[1] for block in blocks] == [14, 14, 12]
    read = np.concatenate([block.logits for block in blocks], axis=1)
    np.testing.assert_array_equal(read, array[0, 0, 1])
    assert read.dtype == array.dtype
    assert run.bytes_read == read.nbytes


def test_checkpoints_are_those_that_zarr_reads(run):
    for name, values in run.checkpoint(LANE, 1).items():
        array = run.array(f"checkpoints/{name}")
        assert direct.is_possible(array)
        np.testing.assert_array_equal(values, array[0, 0, 1])


def test_metrics_are_compressed(run):
    assert not direct.is_possible(run.array(f"{names.METRICS}/{names.MEMBER_LOSS}"))


DAMAGES = {
    "content": (lambda old, other: bytes([old[0] ^ 1]) + old[1:], "its content does not match"),
    "checksum": (lambda old, other: old[:-1] + bytes([old[-1] ^ 1]), "is not the chunk that was"),
    "another chunk": (lambda old, other: other, "is not the chunk that was written here"),
    "cut short": (lambda old, other: old[:-20], "its content does not match its checksum"),
    "without its checksum": (lambda old, other: old[:-4], "is not the chunk that was written here"),
    "longer": (lambda old, other: old + b"\0", "is not the chunk that was written here"),
    "empty": (lambda old, other: b"", "its content does not match its checksum"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_one_line(run, damage):
    change, reason = DAMAGES[damage]
    folder = run.path / "store.zarr/outputs/test/logits/c/0/0/1/0"
    path, other = folder / "2/0", folder / "1/0"
    content = path.read_bytes()
    path.write_bytes(change(content, other.read_bytes()))
    blocks = Run(run.path).outputs(LANE, 1, "test")
    assert [next(blocks).start, next(blocks).start] == [0, 14]
    with pytest.raises(StoreError, match=reason) as caught:
        next(blocks)
    assert str(path) in str(caught.value)
    path.write_bytes(content)


def test_a_missing_chunk_is_one_line(run):
    path = run.path / "store.zarr/checkpoints/layer1.bias/c/0/0/1/0/0"
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(StoreError, match=r"a chunk of a sealed epoch is missing or cannot be read"):
        run.checkpoint(LANE, 1)
    path.write_bytes(content)
