"""The bench's own programs are built where it runs."""

from __future__ import annotations

import shutil

import pytest

from benchmarks import native
from benchmarks.contender import Unavailable


@pytest.mark.needs_command("cc", package="build-essential")
def test_builds_once(tmp_path):
    """Both programs are there, and a second run compiles nothing."""
    folder = native.build(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}

    assert native.build(tmp_path) == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert before.keys() == {"load", "upstream"}


def test_no_compiler(tmp_path, monkeypatch):
    """Without a C compiler the bench says what to install."""
    monkeypatch.setattr(shutil, "which", lambda _: None)

    with pytest.raises(Unavailable, match="install gcc or clang"):
        native.build(tmp_path)


@pytest.mark.needs_command("cc", package="build-essential")
def test_does_not_compile(tmp_path, monkeypatch):
    """What the compiler says is told."""
    (tmp_path / "upstream.c").write_text("this is not C", encoding="utf-8")
    monkeypatch.setattr(native, "SOURCES", tmp_path)

    with pytest.raises(Unavailable, match=r"upstream\.c does not compile here: .*error"):
        native.build(tmp_path)
