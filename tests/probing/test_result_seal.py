"""The seal of a result, without a result in it."""

import json
import os

import pytest

from jtdiag import files
from jtdiag.probing import result_seal
from jtdiag.store.formats import NewerFormatError


@pytest.fixture
def result(tmp_path):
    folder = tmp_path / "votes.zarr"
    for name in ("zarr.json", "kappa/c/0", "kappa/zarr.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, "utf-8")
    return folder


def test_a_result_without_a_seal_is_not_sealed(result):
    assert result_seal.verify(result) is False
    assert result_seal.identity(result) is None
    result_seal.remove(result)


def test_the_seal_lists_the_hash_of_every_file(result):
    result_seal.write(result)
    assert result_seal.path_of(result) == result.parent / "votes.json"
    assert files.read_json(result_seal.path_of(result))["files"] == {
        name: files.digest(result / name) for name in ("kappa/c/0", "kappa/zarr.json", "zarr.json")
    }
    assert result_seal.verify(result) is True


def test_hidden_files_do_not_count(result):
    (result / ".votes.123.draft").write_text("before", "utf-8")
    result_seal.write(result)
    (result / ".votes.123.draft").unlink()
    (result / "kappa" / ".DS_Store").write_text("after", "utf-8")
    assert result_seal.verify(result) is True


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("kappa/c/0", None, "the file kappa/c/0 is missing"),
        ("kappa/c/1", "new", "the file kappa/c/1 does not belong to it"),
        ("zarr.json", "other", "the file zarr.json was changed"),
    ],
)
def test_a_file_that_does_not_match_is_named(result, name, content, expected):
    result_seal.write(result)
    if content is None:
        (result / name).unlink()
    else:
        (result / name).write_text(content, "utf-8")
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        result_seal.verify(result)
    assert str(caught.value) == expected


@pytest.mark.parametrize("damage", ["text", "fields"])
def test_a_seal_that_is_damaged_or_none_is_an_error(result, damage):
    result_seal.write(result)
    path = result_seal.path_of(result)
    if damage == "text":
        path.write_text("{", "utf-8")
    else:
        files.write_json(path, {"other": {}})
    with pytest.raises(ValueError, match=r"^votes\.json is not its seal: ."):
        result_seal.verify(result)


def test_a_seal_that_was_removed_and_written_again_is_another_one(result):
    result_seal.write(result)
    before = result_seal.identity(result)
    assert before == result_seal.identity(result)
    result_seal.remove(result)
    assert result_seal.identity(result) is None
    (result / "zarr.json").write_text("other", "utf-8")
    result_seal.write(result)
    assert result_seal.identity(result) not in (None, before)


NEWER = (
    "this result has format 3; this version of jtdiag reads formats up to 2: "
    "install a newer jtdiag."
)


def test_the_seal_of_a_newer_version_is_not_taken_for_damage(result):
    files.write_json(result_seal.path_of(result), {"format": 3})  # and other fields
    with pytest.raises(NewerFormatError) as caught:
        result_seal.verify(result)
    assert str(caught.value) == f"{result}: {NEWER}"


def test_a_seal_without_a_format_is_read(result):
    result_seal.write(result)
    path = result_seal.path_of(result)
    assert files.read_json(path)["format"] == 2
    files.write_json(path, {"files": files.read_json(path)["files"]})
    assert result_seal.verify(result) is True


def test_a_result_of_a_newer_version_is_refused_although_its_files_match(result):
    (result / "zarr.json").write_text(json.dumps({"attributes": {"format": 3}}), "utf-8")
    result_seal.write(result)
    with pytest.raises(NewerFormatError) as caught:
        result_seal.verify(result)
    assert str(caught.value) == f"{result}: {NEWER}"


def test_only_results_of_older_versions_have_no_seal(result):
    (result / "zarr.json").write_text(json.dumps({"attributes": {"format": 2}}), "utf-8")
    with pytest.raises(ValueError, match=r"^its seal is missing$"):
        result_seal.verify(result)


def test_a_result_is_identified_by_the_file_of_its_seal_and_its_time(result):
    result_seal.write(result)
    path = result_seal.path_of(result)
    os.utime(path, ns=(5, 7_000_000_123))
    assert result_seal.identity(result) == (path.stat().st_ino, 7_000_000_123)


def test_files_in_the_order_of_their_paths_are_compared_first(result):
    result_seal.write(result)
    (result / "kappa/c/0").unlink()
    (result / "zarr.json").write_text("other", "utf-8")
    with pytest.raises(ValueError, match=r"^the file kappa/c/0 is missing$"):
        result_seal.verify(result)
