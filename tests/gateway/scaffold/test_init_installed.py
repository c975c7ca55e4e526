"""A new plugin in a venv of its own, with letta-gateway as it would be published."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.pages import blocks, commands
from tests.docs.running import SHOWN
from tests.missing import missing


ROOT = Path(__file__).parents[3]
SOURCES = ("gateway", "plugins", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
NO_INDEX = re.compile(r"No matching distribution|[Cc]onnection|Temporary failure|timed out")


def run(*command: str | Path, cwd: Path, first: Path | None = None) -> str:
    """What it prints; it has to succeed. `first` is where programs are looked for first."""
    path = os.pathsep.join(filter(None, [first and str(first), os.environ["PATH"]]))
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    done = subprocess.run(
        command,
        cwd=cwd,
        env={"PATH": path, "HOME": str(cwd), "PYTHONUNBUFFERED": "1", **kept},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    said = done.stdout + done.stderr
    if done.returncode and NO_INDEX.search(said):
        missing("a package index, for a venv of its own")
    assert done.returncode == 0, said
    return done.stdout


@pytest.fixture(name="venv", scope="module")
def _venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv with letta-gateway from a wheel, and pytest."""
    here = tmp_path_factory.mktemp("venv")
    source = here / "source"
    source.mkdir()
    for name in SOURCES:
        path = ROOT / name
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, source / name)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", here, source, cwd=here)
    (wheel,) = here.glob("*.whl")
    run(sys.executable, "-m", "venv", here / "env", cwd=here)
    run(here / "env" / "bin" / "pip", "install", "--quiet", wheel, "pytest", cwd=here)
    return here / "env" / "bin"


pytestmark = pytest.mark.needs_command("curl", package="curl")


@contextmanager
def demo(venv: Path, folder: Path) -> Iterator[str]:
    """The demo with the folder's own configuration: its URL."""
    with subprocess.Popen(
        [venv / "letta-gateway", "demo", "--config", "gateway.yaml", "--port", "0"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            url = re.search(r"http://[^/\s]+", process.stdout.readline())
            assert url is not None
            yield url[0]
        finally:
            process.terminate()


def test_from_the_name_to_its_effect(venv, tmp_path):
    """The first commands of docs/plugins.md, in an empty home: written, tested, installed, seen."""
    (*before, served), (asked,) = map(commands, blocks("sh", page="plugins.md"))
    assert served == "letta-gateway demo --config gateway.yaml"

    said = run("sh", "-ec", "\n".join(before), cwd=tmp_path, first=venv)

    assert "5 passed" in said
    folder = tmp_path / "red-pen"
    assert "red-pen 0.1.0" in run("letta-gateway", "plugins", cwd=folder, first=venv)
    with demo(venv, folder) as url:
        said = run("sh", "-c", asked.replace(SHOWN, url), cwd=tmp_path, first=venv)
    assert "Written by a machine." in json.loads(said)["choices"][0]["message"]["content"]


def test_its_types_are_right(venv, tmp_path):
    """An author's strict type check sees the types of what is installed."""
    pytest.importorskip("mypy")
    run("letta-gateway", "new-plugin", "blue-pen", cwd=tmp_path, first=venv)
    options = ("--strict", "--python-executable", venv / "python", "--cache-dir", tmp_path / "c")
    run(sys.executable, "-m", "mypy", *options, ".", cwd=tmp_path / "blue-pen")
