"""Which stream is the answer to which of the client's own messages."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import attrs


# An answer to one before these is stopped by its own id.
MOST_KNOWN = 1000


@attrs.frozen
class Reply:
    """The answer to a message: the id of its stream, as soon as there is one."""

    _stream: asyncio.Future[str] = attrs.field(
        init=False, factory=lambda: asyncio.get_running_loop().create_future()
    )

    def found(self, stream_id: str) -> None:
        """It is this stream."""
        self._stream.set_result(stream_id)

    def over(self, _: object) -> None:
        """If there is none by now, there never will be."""
        self._stream.cancel()

    async def stream_id(self) -> str | None:
        """Wait for it; None if the message was refused."""
        await asyncio.wait([self._stream])
        return None if self._stream.cancelled() else self._stream.result()


@attrs.define
class Replies:
    """The answers to the last messages of one socket, by the ids that the client gave those."""

    _replies: OrderedDict[str, Reply] = attrs.field(init=False, factory=OrderedDict)

    def expect(self, message_id: str, reply: Reply) -> None:
        """This will be the answer to the message."""
        if not message_id:
            return
        self._replies[message_id] = reply
        self._replies.move_to_end(message_id)
        while len(self._replies) > MOST_KNOWN:
            self._replies.popitem(last=False)

    async def stream_of(self, named: str) -> str:
        """
        The stream that answers the message of this id; else it is the id of a stream itself.

        Who stops a message that was sent a moment ago means what comes of it.
        """
        reply = self._replies.get(named)
        found = None if reply is None else await reply.stream_id()
        return found or named
