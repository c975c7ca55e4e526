"""What the handlers share: the streams, and the secret that ids are signed with."""

from __future__ import annotations

import attrs
from aiohttp import web

from gateway.surfaces.responses.ids import Ids, secret_of
from gateway.surfaces.responses.kept import Kept
from gateway.web.request import STREAMS, asking_of


@attrs.define
class Shared:
    """How long responses are kept, in seconds; and the secret, read once."""

    ttl: float
    secret: bytes = attrs.field(default=b"", repr=False)


SHARED = web.AppKey("responses", Shared)


async def kept_of(request: web.Request) -> Kept:
    """
    The caller's responses.

    Raises:
        StoreError: The store does not answer.
    """
    streams, shared = request.app[STREAMS], request.app[SHARED]
    if not shared.secret:
        shared.secret = await secret_of(streams.store)
    caller = asking_of(request).context.caller
    return Kept(streams, Ids(shared.secret, caller.identity), caller, shared.ttl)
