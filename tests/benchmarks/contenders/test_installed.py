"""Packages are installed once, into places of their own."""

from __future__ import annotations

import sys

import pytest

from benchmarks.contender import Unavailable
from benchmarks.contenders.installed import Environment, run


@pytest.fixture(name="packages")
def _packages(tmp_path):
    """An environment of two packages."""
    pins = tmp_path / "pins.txt"
    pins.write_text("# two\none==1.5\nother==2.0 ; python_version < '4'\n", encoding="utf-8")
    return Environment("pair", pins)


def test_says_what_is_pinned(packages):
    """The versions are those of the list."""
    assert packages.version("one") == "1.5"
    assert packages.version("other") == "2.0"


def test_other_pins_are_another_place(packages, tmp_path):
    """Who changes a version gets a new installation."""
    before = packages.root(tmp_path)

    packages.pins.write_text("one==1.6\n", encoding="utf-8")

    assert before.parent == packages.root(tmp_path).parent == tmp_path
    assert before != packages.root(tmp_path)


def test_not_twice(packages, tmp_path, capsys):
    """What is there is not installed again."""
    packages.root(tmp_path).mkdir()
    (packages.root(tmp_path) / "done").touch()

    packages.ensure(tmp_path)

    assert capsys.readouterr().out == ""


def test_no_network(packages, tmp_path, monkeypatch, capsys):
    """Where a package cannot be had one learns it, and nothing counts as installed."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    with pytest.raises(Unavailable, match=r"python failed: .*uv"):
        packages.ensure(tmp_path)

    assert "installing pair" in capsys.readouterr().out
    assert not (packages.root(tmp_path) / "done").exists()


def test_run():
    """A command's words, also those on its standard error."""
    said = "import sys; print('one'); print('two', file=sys.stderr)"

    assert run(sys.executable, "-c", said) == "one\ntwo\n"


def test_run_fails():
    """A command that fails tells why."""
    with pytest.raises(Unavailable, match="failed: no licence"):
        run(sys.executable, "-c", "import sys; sys.exit('no licence')")
