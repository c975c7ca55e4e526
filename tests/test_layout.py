"""One job a file, and a test file beside each: the tests mirror the sources by name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]
PACKAGES = ("gateway", "plugins")
LONGEST_MODULE = 300
LONGEST_FUNCTION = 40

# Rooms that one test file with the room's name may test as a whole.
TOGETHER = (Path("gateway/testing/fakeletta"), Path("gateway/demo"))

# Tests of what several modules do alike.
SHARED = ("tests/gateway/store/test_contract.py",)


def sources() -> list[Path]:
    """Every module that says something; paths are relative to the project."""
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [path.relative_to(ROOT) for path in found if _says_something(path)]


def _says_something(path: Path) -> bool:
    """Not if it holds only constants, as a package's `__version__`."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return path.name != "__main__.py" and any(isinstance(node, kinds) for node in body)


def mirrors(source: Path) -> list[Path]:
    """Where its test may stand."""
    name = "init" if source.name == "__init__.py" else source.stem
    found = [Path("tests") / source.parent / f"test_{name}.py"]
    rooms = [room for room in TOGETHER if source.is_relative_to(room)]
    return found + [Path("tests") / room.parent / f"test_{room.name}.py" for room in rooms]


@pytest.mark.parametrize("source", sources(), ids=str)
def test_every_source_has_its_test(source):
    """Whoever changes a module knows where its tests are."""
    places = mirrors(source)
    assert any((ROOT / place).exists() for place in places), f"{places[0]} is missing"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_test_has_its_source(package):
    """A test that outlives its module tests nothing that one would look for."""
    places = {*map(Path, SHARED), *(place for source in sources() for place in mirrors(source))}
    tests = sorted((ROOT / "tests" / package).rglob("test_*.py"))
    assert [path for path in tests if not _mirrors(path.relative_to(ROOT), places)] == []


def _mirrors(test: Path, places: set[Path]) -> bool:
    """As `test_x.py`, or as `test_x_side.py` that tests one side of the same module."""
    name = str(test.with_suffix(""))
    stems = [str(place.with_suffix("")) for place in places]
    return any(name == stem or name.startswith(f"{stem}_") for stem in stems)


@pytest.mark.parametrize("folder", [*PACKAGES, "tests"])
def test_packages_are_packages(folder):
    """Without its `__init__.py` a folder of tests hides the package it mirrors."""
    folders = {path.parent for path in (ROOT / folder).rglob("*.py")}
    assert [path for path in sorted(folders) if not (path / "__init__.py").exists()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_are_short(package):
    """A module that grows past this has two jobs."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / package).rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) >= LONGEST_MODULE
    }
    assert long == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_functions_are_short(package):
    """One screen at most."""
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []


def test_every_test_says_what_it_shows():
    """One sentence each, for those who read the tests to learn what the gateway does."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []
