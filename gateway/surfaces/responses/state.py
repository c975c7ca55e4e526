"""What the handlers share: the streams, and the secret that ids are signed with."""

from __future__ import annotations

import attrs
from aiohttp import web

from gateway.surfaces.responses.ids import Ids, secret_of
from gateway.surfaces.responses.kept import Kept
from gateway.web.request import STREAMS, asking_of


@attrs.define
class Signing:
    """The secret, read once."""

    secret: bytes = attrs.field(default=b"", repr=False)


SIGNING = web.AppKey("signing", Signing)


async def kept_of(request: web.Request) -> Kept:
    """
    The caller's responses.

    Raises:
        StoreError: The store does not answer.
    """
    streams, signing = request.app[STREAMS], request.app[SIGNING]
    if not signing.secret:
        signing.secret = await secret_of(streams.store)
    caller = asking_of(request).context.caller
    return Kept(streams, Ids(signing.secret, caller.identity), caller)
