"""The gateway's way to a make-believe Letta, with the patience of tests."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import loguru

from gateway.letta.client import LettaAPI, connect
from gateway.testing.fakeletta import FakeLetta


def connected(letta: FakeLetta) -> AbstractAsyncContextManager[LettaAPI]:
    """A connection to it."""
    return connect(
        letta.url,
        "",
        connect_seconds=5,
        read_seconds=30,
        max_connections=9,
        logger=loguru.logger,
    )
