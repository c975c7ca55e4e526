"""Where the socket is found, how a browser says who it is, and how all are closed at the end."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from functools import partial
from weakref import WeakSet

import attrs
from aiohttp import web

from gateway.errors import Reject
from gateway.surfaces.websocket.answering import Desk
from gateway.surfaces.websocket.connection import Connection
from gateway.web.access import bearer_of
from gateway.web.request import asking_of


# What is spoken here. A browser can offer its key only as another protocol: "key." and the key
# in base64url, without padding.
PROTOCOL = "letta-gateway"
KEY = "key."

NO_SOCKET = "/ws is for WebSockets, and this request opens none. By plain HTTP there is POST /chat."

# A socket whose client does not answer pings is closed.
HEARTBEAT_SECONDS = 25.0


def add_websocket(app: web.Application, desk: Desk, *, limit_mb: int) -> None:
    """Add `/ws` to the application; a client's frame may be so large."""
    connections: WeakSet[Connection] = WeakSet()
    closing: list[asyncio.Task[None]] = []

    async def socket(request: web.Request) -> web.WebSocketResponse:
        """One client's socket."""
        asking, bearer = asking_of(request), _bearer(request)
        if bearer is not None:
            caller = asking.answers.access.known(bearer)
            asking.context = attrs.evolve(asking.context, caller=caller)
        ws = web.WebSocketResponse(
            heartbeat=HEARTBEAT_SECONDS,
            protocols=(PROTOCOL,),
            compress=False,
            max_msg_size=limit_mb * 1024 * 1024,
        )
        if not ws.can_prepare(request).ok:
            raise Reject(400, "websocket_required", NO_SOCKET)
        await ws.prepare(request)
        connection = Connection(ws, desk, bearer, partial(_cut, request))
        connections.add(connection)
        await connection.run()
        return ws

    async def stop(_: web.Application) -> None:
        """Idle sockets are closed, the others when their answers are over."""
        closing.extend(asyncio.create_task(each.stop()) for each in list(connections))

    app.add_routes([web.get("/ws", socket)])
    app.on_shutdown.append(stop)


def _bearer(request: web.Request) -> str | None:
    """The key that came with the request; None if it is still to be said."""
    if bearer := bearer_of(request):
        return bearer
    offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
    return _in_protocols([each.strip() for each in offered])


def _in_protocols(offered: Sequence[str]) -> str | None:
    coded = next((each.removeprefix(KEY) for each in offered if each.startswith(KEY)), None)
    if coded is None:
        return None
    try:
        padded = coded.encode("ascii") + b"=" * (-len(coded) % 4)
        return base64.b64decode(padded, b"-_", validate=True).decode()
    except ValueError:  # binascii's and those of both codecs are such
        raise Reject(401, "invalid_api_key", "The key is no base64url of text.") from None


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
