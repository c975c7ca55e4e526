"""This gateway, as it is installed: `letta-gateway serve` without a file of settings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks.contender import Place, Served
from benchmarks.process import running
from gateway import __version__


# What would change it: whoever runs the bench may serve something else meanwhile.
UNSET = ("LETTA_GATEWAY_CONFIG", "LETTA_GATEWAY_KEY", "LETTA_API_KEY")


@attrs.frozen
class Ours:
    """One worker, the whole built-in pipeline, the store on disk that is the default."""

    name: str = "letta-gateway"

    @property
    def about(self) -> str:
        return f"{__version__}, the default pipeline and store, one worker"

    def prepare(self, cache: Path) -> None:
        """Nothing: it is here."""

    @contextmanager
    def serve(self, place: Place) -> Iterator[Served]:
        """One process."""
        at = f"http://127.0.0.1:{place.port}"
        command = [sys.executable, "-m", "gateway", "serve", "--port", str(place.port)]
        env = {**dict.fromkeys(UNSET, ""), "LETTA_BASE_URL": place.letta, "PYTHONSAFEPATH": "1"}
        with running(command, ready=f"{at}/v1/models", folder=place.folder, env=env) as pid:
            yield Served(pid, f"{at}/v1/chat/completions", "openai", "Bench")
