"""Contents of files, known without reading them again while nothing has touched them."""

import os

import pytest

from xsleep.core.files import sha256
from xsleep.store import identity
from xsleep.store.identity import Seen


@pytest.fixture
def reads(monkeypatch):
    """The files that were read."""
    found = []
    monkeypatch.setattr(identity, "sha256", lambda path: found.append(path.name) or sha256(path))
    return found


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "nights" / name for name in ("a.edf", "sub/a.edf")]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True)
        path.write_text(f"{number}")
    return paths


def look(tmp_path, files):
    seen = Seen(tmp_path / "seen.json")
    hashes = seen.hashes(tmp_path / "nights", files)
    seen.save()
    return hashes


def test_files_of_one_name_in_two_folders_are_told_apart(tmp_path, files):
    found = look(tmp_path, files)
    assert found == {"a.edf": sha256(files[0]), "sub/a.edf": sha256(files[1])}


def test_a_file_is_read_again_only_where_something_touched_it(tmp_path, files, reads):
    first = look(tmp_path, files)
    assert look(tmp_path, files) == first and len(reads) == 2
    os.utime(files[0])
    assert look(tmp_path, files) == first and len(reads) == 3


def test_a_file_of_the_same_size_and_age_but_other_content_is_noticed(tmp_path, files):
    first = look(tmp_path, files)
    before = files[0].stat()
    files[0].write_text("9")
    os.utime(files[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert look(tmp_path, files) != first


def test_what_cannot_be_read_has_no_hash(tmp_path, files):
    files[0].unlink()
    assert list(look(tmp_path, files)) == ["sub/a.edf"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": 3}', '{"files": [1], "token": 1}'])
def test_a_damaged_list_is_made_anew(tmp_path, files, content):
    (tmp_path / "seen.json").write_text(content)
    assert len(look(tmp_path, files)) == 2


def test_the_text_of_contents_changes_with_them_and_stays_where_they_stay(tmp_path):
    """Its value is a parameter of the jobs: another one, and they run again."""
    one, other = {"r": {"r.edf": "1"}}, {"r": {"r.edf": "2"}}

    def text(stored, present):
        seen = Seen(tmp_path / "seen.json")
        found = seen.content(stored, present)
        seen.save()
        return found

    assert text(None, one) == text(one, one) == ""
    changed = text(one, other)
    assert changed and text(one, other) == changed  # before it is prepared again
    assert text(other, other) == changed  # and after
    assert text(other, one) not in ("", changed)
    assert text(one, one | {"new": {"new.edf": "3"}}) == text(one, one)
