"""How many files a process may have open: each stream takes two."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from gateway.config import Config


if TYPE_CHECKING:
    from loguru import Logger

# Files that are no connections of requests: the store's, the log, what Python has open.
OTHER_FILES = 100


def files_for(config: Config) -> int:
    """How many files a process needs: clients may have connections that they do not use."""
    return 2 * config.server.max_requests + config.letta.max_connections + OTHER_FILES


def allow_files(wanted: int, logger: Logger) -> None:
    """Let this process and its children have so many files open, or as many as they may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if unlimited != soft < wanted:
        allowed = wanted if hard == unlimited else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < wanted:
            text = "only {} files may be open at a time, and as many requests as may come need {}"
            logger.warning(text, allowed, wanted)
