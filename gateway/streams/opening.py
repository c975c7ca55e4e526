"""How a kept stream begins: its name is taken, its head stored, its key claimed."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import attrs

from gateway.call import Call
from gateway.errors import StoreError
from gateway.pipeline import Answers
from gateway.services import Context, Spawn, Store
from gateway.streams.claims import Key
from gateway.streams.identity import new_id, place_of
from gateway.streams.journal import Journal
from gateway.streams.kept import Head, Keep, Limits
from gateway.streams.place import Place
from gateway.streams.readers import Readers
from gateway.streams.talks import Talks


if TYPE_CHECKING:
    from loguru import Logger


@attrs.frozen
class Asked:
    """A request whose answer is to be kept; `limits` say how."""

    answers: Answers
    call: Call
    context: Context
    keep: Keep
    key: Key | None
    limits: Limits


@attrs.frozen
class Opening:
    """Begins the kept streams of this process; `writer` is its name among all of them."""

    store: Store
    spawn: Spawn
    logger: Logger
    writer: str
    talks: Talks

    async def journal(self, asked: Asked) -> Journal | None:
        """
        A stream that is about to run; None if its key was claimed in the meantime.

        Raises:
            StoreError: The store does not answer. Nothing is left behind.
        """
        head = self._head(asked)
        place = Place(self.store, place_of(asked.context.caller.identity, head.id))
        async with AsyncExitStack() as undo:
            lease = await place.lease()
            if lease is None:
                raise StoreError("The store gives a name that nobody can have to somebody else.")
            undo.push_async_callback(lease.release)
            await place.put_head(head, asked.limits.ttl)
            if asked.key is not None and not await asked.key.claim(head.id, asked.limits.ttl):
                await place.clear()
                return None
            undo.pop_all()
        readers = self._readers(asked, place)
        logger = self.logger.bind(request_id=head.request_id)
        return Journal(
            asked.answers,
            asked.call,
            asked.context,
            place,
            lease,
            asked.key,
            head,
            asked.limits,
            readers,
            self.talks,
            logger,
        )

    def _head(self, asked: Asked) -> Head:
        context = asked.context
        return Head(
            id=new_id(),
            request_id=context.request_id,
            surface=context.surface,
            model=asked.call.model,
            created=int(time.time()),
            writer=self.writer,
            background=asked.keep.background,
            facts=asked.keep.facts,
        )

    def _readers(self, asked: Asked, place: Place) -> Readers:
        return Readers(place, asked.context.clock, asked.limits.grace, self.spawn, self.logger)
