"""A stream goes out to its end, and is given one where something ends it early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeAlias

from aiohttp import web

from gateway.errors import GatewayError
from gateway.events import Error, Event
from gateway.pipeline.exchange import BROKEN
from gateway.streams.kept import error_of
from gateway.web.request import asking_of
from gateway.web.running import RUNNING, stopped


Put: TypeAlias = Callable[[Sequence[Event]], Awaitable[None]]
Last: TypeAlias = Callable[[Error], Awaitable[None]]


async def to_the_end(
    request: web.Request,
    batches: AsyncGenerator[Sequence[Event], None],
    put: Put,
    last: Last,
    *,
    first: Sequence[Event] | None = None,
    told: Callable[[GatewayError], Error] = error_of,
) -> None:
    """
    Put out all batches, behind the `first` if there is one.

    What ends them early, in the gateway or because it is stopped, is put out by `last`; `told`
    says it in the surface's words. A client that has left is told nothing.
    """
    try:
        if first is not None:
            await put(first)
        async for batch in batches:
            await put(batch)
    except (ConnectionError, TimeoutError):
        raise
    except asyncio.CancelledError:
        if not request.app[RUNNING].called_off():
            raise
        await last(stopped())
    except GatewayError as exc:
        await last(told(exc))
    except Exception as exc:  # noqa: BLE001  a cut connection would lose what has been said
        asking_of(request).logger.opt(exception=exc).error("the stream failed")
        await last(BROKEN)
