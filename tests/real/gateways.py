"""Gateways to test: in this process, or as the command `letta-gateway serve`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import loguru
from aiohttp import web

from gateway import config, serve
from gateway.assemble import assemble
from gateway.config.steps import BUILT_IN


COMMAND = Path(sys.executable).with_name("letta-gateway")
DRAIN_SECONDS = 1.0  # what a failing test left open must not hold up the run


def pipeline(**settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The built-in pipeline, with settings for some of its plugins."""
    return [{"use": name, "config": settings.get(name, {})} for name in BUILT_IN]


def write_config(directory: Path, letta_url: str, **sections: Any) -> Path:
    """A configuration file: these sections, and a store in a file beside it."""
    settings = {
        "letta": {"base_url": letta_url, **sections.pop("letta", {})},
        "store": {"use": "sqlite", "path": str(directory / "gateway.db")},
        "server": {"port": 0, **sections.pop("server", {})},
        "pipeline": pipeline(),
        **sections,
    }
    file = directory / "gateway.yaml"
    file.write_text(json.dumps(settings, indent=2))  # which is YAML
    return file


@asynccontextmanager
async def in_process(file: Path) -> AsyncIterator[str]:
    """The gateway of this file, behind the runner that `serve` has; gives its URL."""
    errors: list[str] = []
    sink = loguru.logger.add(errors.append, level="ERROR")
    try:
        loaded = config.load(file, environ={})
        async with assemble(loaded, loguru.logger) as gateway:
            runner = web.AppRunner(
                gateway.app,
                handler_cancellation=True,
                access_log=None,
                shutdown_timeout=DRAIN_SECONDS,
            )
            await runner.setup()
            with serve.bind("127.0.0.1", 0) as listening:
                try:
                    await web.SockSite(runner, listening).start()
                    yield serve.url_of(listening)
                finally:
                    await runner.cleanup()
    finally:
        loguru.logger.remove(sink)
    assert not errors, "".join(errors)


@attrs.frozen
class Command:
    """A running `letta-gateway serve`."""

    url: str
    process: subprocess.Popen[str]
    log: Path


@contextmanager
def command(file: Path) -> Iterator[Command]:
    """The gateway as a process of its own, with this configuration; at the end it is ended."""
    log = file.with_name("gateway.log")
    with log.open("wb") as written:
        process = subprocess.Popen(
            [COMMAND, "serve", "--config", file, "--log-format", "json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=written,
            env={"PATH": os.environ["PATH"], "HOME": str(file.parent), "PYTHONUNBUFFERED": "1"},
            text=True,
        )
    try:
        yield Command(_announced(process, log), process, log)
    finally:
        process.terminate()
        process.communicate()


def _announced(process: subprocess.Popen[str], log: Path) -> str:
    """The address that it says."""
    assert process.stdout
    for line in process.stdout:
        _, found, rest = line.partition("OpenAI base URL ")
        if found:
            return rest.partition("/v1")[0]
    raise AssertionError(log.read_text())
