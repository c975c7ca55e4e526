"""The running process: bind, say what is served, stop cleanly."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import attrs
import uvloop
from aiohttp import web

from gateway import collector
from gateway.addresses import shown
from gateway.assemble import Gateway, assemble
from gateway.config import Config
from gateway.door import Door, Others
from gateway.errors import LettaError, StartError
from gateway.files import allow_files, files_for
from gateway.reload import Reloader, Source
from gateway.web.running import RUNNING, Running


if TYPE_CHECKING:
    from loguru import Logger

# Who comes while everybody else does. The system may have a lower limit.
BACKLOG = 4096

# After SIGTERM, running streams may go on for this long.
DRAIN_SECONDS = 30.0

# Then, or at a second signal, they have this long to tell their clients.
LAST_WORDS_SECONDS = 5.0


# A header or request line longer than this is refused: no client needs one.
LONGEST_LINE = 16 * 1024

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(source: Source, config: Config, logger: Logger, ready: Callable[[str], None]) -> None:
    """
    Serve until SIGINT or SIGTERM; read the file anew at SIGHUP.

    Args:
        source: Where `config` comes from.
        ready: Called with the gateway's URL once it listens.

    Raises:
        StartError: It cannot start; the message says what to do.
    """
    allow_files(files_for(config), logger)
    run_to_the_end(serve(source, config, logger, ready))


def run_to_the_end(serving: Coroutine[Any, Any, None]) -> None:
    """Run it on a loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serving)


async def serve(
    source: Source, config: Config, logger: Logger, ready: Callable[[str], None]
) -> None:
    """As `run`, on the running loop."""
    loop = asyncio.get_running_loop()
    with bind(config.server.host, config.server.port) as listening:
        async with assemble(config, logger) as gateway:
            await check_letta(gateway, config.letta.base_url)
            stop = Stop(gateway.app[RUNNING], logger)
            for number in SIGNALS:
                loop.add_signal_handler(number, stop.signalled, number)
            async with Reloader(source, config, gateway.live, logger) as reloader:
                loop.add_signal_handler(signal.SIGHUP, reloader.ask)
                await listen(gateway, listening, stop, lambda: ready(url_of(listening)))


async def listen(
    gateway: Gateway,
    listening: socket.socket,
    stop: Stop,
    ready: Callable[[], None],
    others: Others | None = None,
) -> None:
    """
    Answer what comes in on this socket until it is to stop, and what is running then.

    Args:
        ready: Called once it is answered.
        others: The other processes that take connections from it.
    """
    runner = web.AppRunner(
        gateway.app,
        handler_cancellation=True,
        access_log=None,
        # Longer than `stop` waits, so that aiohttp cuts off nobody. It waits for it twice.
        shutdown_timeout=DRAIN_SECONDS / 2 + LAST_WORDS_SECONDS,
        max_line_size=LONGEST_LINE,
        max_field_size=LONGEST_LINE,
    )
    await runner.setup()
    try:
        async with Door(listening, _server(runner), stop.logger, others):
            collector.spare()
            ready()
            await stop.asked.wait()
        stop.logger.info("stopping: running streams may finish, {:g} s at most", DRAIN_SECONDS)
    finally:
        patience = asyncio.get_running_loop().call_later(DRAIN_SECONDS, stop.end)
        await runner.cleanup()
        patience.cancel()


def _server(runner: web.AppRunner) -> web.Server:
    if runner.server is None:
        raise RuntimeError("the runner has not been set up")
    return runner.server


@attrs.define
class Stop:
    """How far the end has come."""

    running: Running
    logger: Logger
    asked: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)
    _signals: int = attrs.field(init=False, default=0)

    def signalled(self, number: int) -> None:
        """The first lets running answers finish, the second ends them, the third the process."""
        self._signals += 1
        match self._signals:
            case 1:
                self.ask()
            case 2:
                self.end()
            case _:
                os._exit(128 + number)

    def ask(self) -> None:
        """Take nothing new, and let running answers finish."""
        self.asked.set()

    def end(self) -> None:
        """End running answers, each with an error that says why."""
        self.asked.set()
        if ended := self.running.end():
            self.logger.warning("running answers that are ended: {}", ended)
        asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, self.running.cut)


def bind(host: str, port: int) -> socket.socket:
    """
    A listening socket, bound once: SO_REUSEPORT would let a second gateway in silently.

    Raises:
        StartError: The port is in use, or not ours to take.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as exc:
        advice = f"Choose another with --port (or --host): {exc.strerror or exc}."
        raise StartError(f"Cannot listen on {host} port {port}. {advice}") from exc
    listening.setblocking(False)
    return listening


def url_of(listening: socket.socket) -> str:
    """Where clients reach it."""
    host, port = listening.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104  it is only compared
        host = "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


async def check_letta(gateway: Gateway, base_url: str) -> None:
    """
    Ask Letta once before clients do.

    Raises:
        StartError: It cannot be reached, or refuses the gateway's key.
    """
    try:
        await gateway.letta.ping()
    except LettaError as exc:
        advice = {
            "upstream_auth": "Set LETTA_API_KEY to a key that it takes.",
            "upstream_unreachable": "Start it, or set LETTA_BASE_URL;"
            " 'letta-gateway demo' needs none.",
        }.get(exc.code, "")
        text = f"Letta at {shown(base_url)}: {exc.message} {advice}"
        raise StartError(text.strip()) from exc
