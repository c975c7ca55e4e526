from __future__ import annotations

import stat

import pytest

from gateway.errors import StartError
from gateway.record.folder import Folder, new_name


def folder(path, files=100, size=10**6):
    made = Folder(path / "kept", files, size)
    made.open()
    return made


def names(count):
    made = sorted(new_name() for _ in range(count))
    assert len(set(made)) == count
    return made


def test_kept(tmp_path):
    """A recording is two files that only their owner can read."""
    kept, name = folder(tmp_path), new_name()

    kept.put(name, b"data: x\n\n", b"{}")

    paths = sorted(kept.path.iterdir())
    assert [path.name for path in paths] == [f"{name}.request.json", f"{name}.sse"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o700


def test_so_many(tmp_path):
    """The oldest go when there are too many."""
    kept, all_names = folder(tmp_path, files=3), names(5)

    for name in all_names:
        kept.put(name, b"1", b"1")

    assert kept.names() == all_names[2:]
    assert len(list(kept.path.iterdir())) == 6


def test_so_large(tmp_path):
    """The oldest go when all together are too large, whoever wrote them."""
    kept, all_names = folder(tmp_path, size=25), names(4)

    for name in all_names:
        kept.put(name, b"12345678", b"12")

    assert kept.names() == all_names[2:]


def test_what_is_not_ours_stays(tmp_path):
    """Files of other names are never deleted."""
    kept = folder(tmp_path, files=1)
    (kept.path / "mine.sse").write_bytes(b"x" * 100)

    for name in names(3):
        kept.put(name, b"1", b"1")

    assert (kept.path / "mine.sse").exists()
    assert len(kept.names()) == 1


def test_half_a_recording_does_not_stay(tmp_path):
    """If it cannot be written, nothing of it is left."""
    kept, name = folder(tmp_path), new_name()
    (kept.path / f"{name}.sse").mkdir()

    with pytest.raises(OSError, match="directory"):
        kept._write(f"{name}.sse", b"1")

    assert [path.name for path in kept.path.iterdir()] == [f"{name}.sse"]


def test_a_folder_that_cannot_be_made(tmp_path):
    """It is told at the start."""
    (tmp_path / "kept").write_text("a file")

    with pytest.raises(StartError, match=r"Cannot keep recordings in .*kept: File exists\."):
        folder(tmp_path)
