"""`/health` says that the process lives, `/ready` that it can answer, `/metrics` what it did."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import attrs
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.errors import GatewayError
from gateway.metrics import Metrics
from gateway.surfaces.openai_errors import response


if TYPE_CHECKING:
    from loguru import Logger

CHECK_SECONDS = 5.0
FRESH_SECONDS = 1.0


async def health(request: web.Request) -> web.Response:
    """The process lives; nothing else is asked."""
    return response(200, {"status": "ok"})


async def metrics_page(metrics: Metrics, request: web.Request) -> web.Response:
    """What Prometheus reads. With keys, it needs one like any other client."""
    return web.Response(body=await metrics.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@attrs.define
class Readiness:
    """
    Asks each part that an answer needs, once a second at most: anybody may ask this.

    What is wrong is told in a code; the log has the sentence, which may name addresses.
    """

    checks: Mapping[str, Callable[[], Awaitable[None]]]
    logger: Logger
    _words: Mapping[str, str] = attrs.field(init=False, factory=dict)
    _until: float = attrs.field(init=False, default=0.0)
    _asking: asyncio.Lock = attrs.field(init=False, factory=asyncio.Lock)

    async def ready(self, request: web.Request) -> web.Response:
        """200 if every part answers, else 503; each part with its word."""
        async with self._asking:
            if time.monotonic() >= self._until:
                await self._ask()
        ok = all(word == "ok" for word in self._words.values())
        return response(200 if ok else 503, {"status": "ok" if ok else "unready", **self._words})

    async def _ask(self) -> None:
        words = await asyncio.gather(*(self._word(check) for check in self.checks.values()))
        self._words = dict(zip(self.checks, words, strict=True))
        self._until = time.monotonic() + FRESH_SECONDS

    async def _word(self, check: Callable[[], Awaitable[None]]) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await check()
        except TimeoutError:
            return f"no answer in {CHECK_SECONDS:g} s"
        except GatewayError as exc:
            self.logger.warning("not ready: {}", exc)
            return exc.code
        except Exception as exc:  # noqa: BLE001  whatever it is, this part does not work
            self.logger.warning("not ready: {!r}", exc)
            return f"failed: {type(exc).__name__}"
        return "ok"
