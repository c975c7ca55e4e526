"""Several processes that serve one port, over a store that they share.

    parent ── binds, forks, starts again ──> workers ── each with a loop, answering ──> clients

The parent binds the port once, and its workers inherit the socket. With SO_REUSEPORT a second
gateway would get in beside the first in silence, and connections that wait for a worker which
ends would be lost; at one socket another worker takes them.

Workers are forked and not started as programs of their own: so a worker that is started again
has the configuration that all the others have, also when the file has changed since. At a
reload the parent reads the file first, and tells them only if it is right. The parent
runs no loop and no thread, it only waits for signals and workers: nothing is forked half-done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway import collector
from gateway.config import Config
from gateway.files import allow_files, files_for
from gateway.reload import Source
from gateway.serve import bind, url_of
from gateway.workers.crew import Crew


if TYPE_CHECKING:
    from loguru import Logger

__all__ = ["run"]


def run(source: Source, config: Config, logger: Logger, ready: Callable[[str], None]) -> None:
    """
    Serve with `config.server.workers` processes until SIGINT or SIGTERM; reload at SIGHUP.

    Args:
        source: Where `config` comes from.
        ready: Called with the gateway's URL once all of them listen.

    Raises:
        StartError: They cannot start; the message says what to do.
    """
    allow_files(files_for(config), logger)
    with bind(config.server.host, config.server.port) as listening:
        url = url_of(listening)
        collector.spare()  # its workers do not touch what it has, and share it
        Crew(source, config, logger, listening, lambda: ready(url)).run()
