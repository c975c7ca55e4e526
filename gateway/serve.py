"""The running process: bind, say what is served, stop cleanly."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs
import uvloop
from aiohttp import web

from gateway.assemble import Gateway, assemble
from gateway.config import Config
from gateway.errors import LettaError, StartError


if TYPE_CHECKING:
    from loguru import Logger

BACKLOG = 1024

# After SIGTERM, running streams may go on for this long.
DRAIN_SECONDS = 30.0

# A header or request line longer than this is refused: no client needs one.
LONGEST_LINE = 16 * 1024


def run(config: Config, logger: Logger, ready: Callable[[Gateway, str], None]) -> None:
    """
    Serve until SIGINT or SIGTERM.

    Args:
        ready: Called with the gateway and its URL once it listens.

    Raises:
        StartError: It cannot start; the message says what to do.
    """
    run_to_the_end(serve(config, logger, ready))


def run_to_the_end(serving: Coroutine[Any, Any, None]) -> None:
    """Run it on a loop of its own. A second signal ends it at once, and is no error."""
    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        suppress(asyncio.CancelledError),
    ):
        runner.run(serving)


async def serve(config: Config, logger: Logger, ready: Callable[[Gateway, str], None]) -> None:
    """As `run`, on the running loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with bind(config.server.host, config.server.port) as listening:
        async with assemble(config, logger) as gateway:
            await check_letta(gateway, config.letta.base_url)
            stopper = Stopper(stop, asyncio.current_task())
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stopper.signalled)
            runner = web.AppRunner(
                gateway.app,
                handler_cancellation=True,
                access_log=None,
                shutdown_timeout=DRAIN_SECONDS / 2,  # aiohttp waits for it twice
                max_line_size=LONGEST_LINE,
                max_field_size=LONGEST_LINE,
            )
            await runner.setup()
            try:
                await web.SockSite(runner, listening, backlog=BACKLOG).start()
                ready(gateway, url_of(listening))
                await stop.wait()
                logger.info("stopping: running streams may finish, {:g} s at most", DRAIN_SECONDS)
            finally:
                await runner.cleanup()


@attrs.frozen
class Stopper:
    """The first signal lets running streams finish, the second ends them."""

    stop: asyncio.Event
    task: asyncio.Task[None] | None

    def signalled(self) -> None:
        """A signal has come."""
        if self.stop.is_set() and self.task is not None:
            self.task.cancel()
        self.stop.set()


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
        raise StartError(f"Letta at {base_url}: {exc.message} {advice}".strip()) from exc
