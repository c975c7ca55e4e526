"""A gateway as one first writes it: `fastapi_app.py` under uvicorn."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks.contender import Place, Served
from benchmarks.contenders.installed import Environment
from benchmarks.process import running


SOURCE = Path(__file__).with_name("fastapi_app.py")
PACKAGES = Environment("fastapi", Path(__file__).with_name("fastapi.txt"))


@attrs.frozen
class FastApi:
    """One worker, uvloop and httptools, no access log."""

    name: str = "FastAPI over AsyncStream"

    @property
    def about(self) -> str:
        of = ("fastapi", "uvicorn", "letta-client")
        versions = ", ".join(f"{name} {PACKAGES.version(name)}" for name in of)
        return f"{versions}, one worker, `fastapi_app.py`, nothing tuned"

    def prepare(self, cache: Path) -> None:
        """
        Install its packages.

        Raises:
            Unavailable: They are not to be had.
        """
        PACKAGES.ensure(cache)

    @contextmanager
    def serve(self, place: Place) -> Iterator[Served]:
        """One process; it imports a copy, because beside the source lie modules of other names."""
        shutil.copy(SOURCE, place.folder)
        uvicorn = PACKAGES.command(place.cache, "uvicorn")
        where = ("--host", "127.0.0.1", "--port", str(place.port))
        quiet = ("--no-access-log", "--log-level", "warning")
        command = (uvicorn, "fastapi_app:app", "--app-dir", place.folder, *where, *quiet)
        at = f"http://127.0.0.1:{place.port}"
        env = {"LETTA_BASE_URL": place.letta, "LETTA_API_KEY": "none"}
        with running(command, ready=f"{at}/health", folder=place.folder, env=env) as pid:
            yield Served(pid, f"{at}/v1/chat/completions", "openai", "Bench")
