"""Raw byte passthrough in aiohttp: the limit in Python."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import attrs

from benchmarks.contender import Place, Served
from benchmarks.process import running


SOURCE = Path(__file__).with_name("raw_passthrough.py")


@attrs.frozen
class Raw:
    """`raw_passthrough.py`, with this Python."""

    name: str = "aiohttp passthrough"

    @property
    def about(self) -> str:
        return f"aiohttp {version('aiohttp')}, uvloop {version('uvloop')}, bytes unread"

    def prepare(self, cache: Path) -> None:
        """Nothing: it needs what the gateway needs."""

    @contextmanager
    def serve(self, place: Place) -> Iterator[Served]:
        """One process."""
        at = f"http://127.0.0.1:{place.port}"
        command = [sys.executable, str(SOURCE), str(place.port), place.letta]
        with running(command, ready=f"{at}/health", folder=place.folder) as pid:
            url = f"{at}/v1/conversations/conv-00000000-0000-4000-8000-000000000001/messages"
            yield Served(pid, url, "letta", "Bench")
