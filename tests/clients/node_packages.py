"""The packages of the Node clients: installed once, found in the cache afterwards.

npm is told of an index or a certificate of your own in its own ways.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.letta_server.install import CannotInstall, Say, alone, cache_directory


CLIENTS = Path(__file__).with_name("node")
CODEX = Path(__file__).with_name("codex")
PINS = ("package.json", "package-lock.json")


def node_modules(say: Say, clients: Path = CLIENTS) -> Path:
    """
    Where they are, installed now if they are not. A change of the pins makes another place.

    Args:
        clients: The folder of the pins.

    Raises:
        CannotInstall: A package could not be had.
    """
    pins = b"".join((clients / name).read_bytes() for name in PINS)
    root = cache_directory() / f"node-{hashlib.sha256(pins).hexdigest()[:12]}"
    done = root / "done"
    with alone(root, say):
        if not done.exists():
            say(f"installing the clients of tests/clients/{clients.name}")
            _install(root, clients)
            done.touch()
    return root / "node_modules"


def _install(root: Path, clients: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for name in PINS:
        shutil.copy(clients / name, root)
    command = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise CannotInstall(f"their installation failed (no network?): {said[-200:]}")
