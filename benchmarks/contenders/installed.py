"""Contenders from the package index, each in an environment of its own that is kept."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import attrs

from benchmarks.contender import Unavailable
from tests.letta_server.install import alone


UV = "uv==0.13.8"


@attrs.frozen
class Environment:
    """Packages that are installed together, once, into the bench's cache."""

    name: str
    pins: Path
    """All packages, also those that others need, a line each with its version."""

    def ensure(self, cache: Path) -> None:
        """
        Install them, if they are not yet there.

        Raises:
            Unavailable: One is not to be had.
        """
        root = self.root(cache)
        with alone(root, say):
            if not (root / "done").exists():
                self._install(root)

    def command(self, cache: Path, name: str) -> Path:
        """A program that has come with them."""
        return self.root(cache) / "bin" / name

    def version(self, package: str) -> str:
        """That of one of them."""
        lines = self.pins.read_text(encoding="utf-8").splitlines()
        pinned = dict(line.split(" ")[0].split("==") for line in lines if "==" in line)
        return pinned[package]

    def root(self, cache: Path) -> Path:
        """Where they are. A change of the pins or of the Python makes another place."""
        made_of = self.pins.read_bytes() + UV.encode() + sys.version.encode()
        return cache.absolute() / f"{self.name}-{hashlib.sha256(made_of).hexdigest()[:12]}"

    def _install(self, root: Path) -> None:
        say(f"installing {self.name} into {root} (once)")
        start = time.monotonic()
        shutil.rmtree(root, ignore_errors=True)
        run(sys.executable, "-m", "venv", root)
        python, uv = root / "bin" / "python", root / "bin" / "uv"
        run(python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", UV)
        exactly = ("--no-deps", "--compile-bytecode", "--requirements", self.pins)
        run(uv, "pip", "install", "--quiet", "--python", python, *exactly)
        (root / "done").touch()
        say(f"installed {self.name} in {time.monotonic() - start:.0f} s")


def say(line: str) -> None:
    """Show it at once: an installation takes a while."""
    print(line, flush=True)


def run(*command: str | Path, env: Mapping[str, str] | None = None) -> str:
    """
    What a short command says.

    Raises:
        Unavailable: It fails.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise Unavailable(f"{Path(command[0]).name} failed: {said[-200:]}")
    return done.stdout + done.stderr
