"""Archives are unpacked into their folder alone, by every Python 3.11."""

import io
import tarfile

import pytest

from mlserver_forest.artifact import unpacked_archive
from mlserver_forest.artifact.unpacked_archive import unpack
from mlserver_forest.errors import InvalidArtifact


def archive_of(path, **members):
    """An archive with files by name; ``dots`` lies outside, and ``link`` is one."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo({"dots": "a/../../dots"}.get(name, f"./a/{name}"))
            if name == "link":
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_files_are_written_and_links_are_left_out(tmp_path):
    folder = unpack(
        archive_of(tmp_path / "m.tar.gz", one=b"1", link=b"", two=b"22"), tmp_path / "m"
    )
    assert sorted(path.name for path in folder.rglob("*")) == ["a", "one", "two"]
    assert (folder / "a" / "two").read_bytes() == b"22"


def test_nothing_is_written_outside(tmp_path):
    path = archive_of(tmp_path / "m.tar.gz", dots=b"1")
    with pytest.raises(InvalidArtifact, match="lies outside of the archive"):
        unpack(path, tmp_path / "inner" / "m")
    assert not list(tmp_path.rglob("dots"))


def test_the_number_of_files_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacked_archive, "_MOST_MEMBERS", 2)
    path = archive_of(tmp_path / "m.tar.gz", one=b"1", two=b"2", three=b"3")
    with pytest.raises(InvalidArtifact, match="more than 2 files"):
        unpack(path, tmp_path / "m")


def test_what_is_no_archive_is_refused_with_what_was_expected(tmp_path):
    (tmp_path / "m.tar.gz").write_bytes(b"hello")
    with pytest.raises(InvalidArtifact, match=r"expected model\.tar\.gz") as refused:
        unpack(tmp_path / "m.tar.gz", tmp_path / "m")
    assert len(str(refused.value).splitlines()) == 1
