"""`/health` says that the process lives, `/ready` that it can answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import attrs
from aiohttp import web

from gateway.errors import GatewayError
from gateway.surfaces.openai_errors import response


CHECK_SECONDS = 5.0


async def health(request: web.Request) -> web.Response:
    """The process lives; nothing else is asked."""
    return response(200, {"status": "ok"})


@attrs.frozen
class Readiness:
    """Asks each part that an answer needs."""

    checks: Mapping[str, Callable[[], Awaitable[None]]]

    async def ready(self, request: web.Request) -> web.Response:
        """200 if every part answers, else 503; each part with its word."""
        words = await asyncio.gather(*(self._word(check) for check in self.checks.values()))
        parts = dict(zip(self.checks, words, strict=True))
        ok = all(word == "ok" for word in words)
        return response(200 if ok else 503, {"status": "ok" if ok else "unready", **parts})

    async def _word(self, check: Callable[[], Awaitable[None]]) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await check()
        except TimeoutError:
            return f"no answer in {CHECK_SECONDS:g} s"
        except GatewayError as exc:
            return str(exc)
        except Exception as exc:  # noqa: BLE001  whatever it is, this part does not work
            return f"failed: {type(exc).__name__}"
        return "ok"
