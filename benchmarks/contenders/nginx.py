"""nginx that passes bytes through: the floor."""

from __future__ import annotations

import shutil
import string
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import attrs

from benchmarks.contender import Place, Served, Unavailable
from benchmarks.contenders.installed import run
from benchmarks.process import running


CONFIGURATION = Path(__file__).with_name("nginx.conf")
PACKAGES = Path(__file__).parents[2] / "scripts" / "test-packages.sh"
CONVERSATION = "/v1/conversations/conv-00000000-0000-4000-8000-000000000001/messages"


@attrs.frozen
class Nginx:
    """Debian's, with `nginx.conf`; a process of our own, not the machine's service."""

    name: str = "nginx passthrough"

    @property
    def about(self) -> str:
        version = run(_program(), "-v").strip().rpartition("/")[2]
        return f"nginx {version}, one worker, unbuffered, connections to the upstream kept"

    def prepare(self, cache: Path) -> None:
        """
        Install the package `nginx-light` where that may be done.

        Raises:
            Unavailable: It is not there and cannot be installed.
        """
        if not shutil.which("nginx"):
            subprocess.run(["sh", PACKAGES, "nginx-light=nginx"], check=False)
        _program()

    @contextmanager
    def serve(self, place: Place) -> Iterator[Served]:
        """A master process and one worker."""
        configuration = place.folder / "nginx.conf"
        configuration.write_text(_configuration(place), encoding="utf-8")
        command = (_program(), "-p", place.folder, "-e", "stderr", "-c", configuration)
        at = f"http://127.0.0.1:{place.port}"
        with running(command, ready=f"{at}/v1/health/", folder=place.folder) as pid:
            yield Served(pid, at + CONVERSATION, "letta", "Bench")


def _program() -> str:
    found = shutil.which("nginx")
    if not found:
        raise Unavailable("nginx is not installed (the package nginx-light)")
    return found


def _configuration(place: Place) -> str:
    template = string.Template(CONFIGURATION.read_text(encoding="utf-8"))
    return template.substitute(port=place.port, upstream=urlsplit(place.letta).netloc)
