"""Which clients the tests run: their versions, as they are pinned in this folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path


HERE = Path(__file__).parent

INSTALLED = {"@cline/cli-linux-x64": "cline"}
"""Packages by the name under which people install them."""


def python_pins() -> dict[str, str]:
    """Packages of Python, and their versions."""
    lines = (HERE / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def node_pins(folder: str) -> dict[str, str]:
    """Packages of npm in one folder, and their versions."""
    said = json.loads((HERE / folder / "package.json").read_text())
    pinned = {**said.get("dependencies", {}), **said.get("optionalDependencies", {})}
    return {INSTALLED.get(name, name): version for name, version in pinned.items()}


def pins() -> dict[str, str]:
    """All of them."""
    return dict(_pins())


def _pins() -> Iterator[tuple[str, str]]:
    yield from python_pins().items()
    for path in HERE.glob("*/package.json"):
        yield from node_pins(path.parent.name).items()
