"""Which stream an idempotency key stands for: that of the request which claimed it first."""

from __future__ import annotations

import attrs
import orjson

from gateway.errors import Reject
from gateway.json_text import dumps
from gateway.services import Store


@attrs.frozen
class Claim:
    """What was asked under a key, and the id of the stream that answers it."""

    digest: str
    stream: str

    def dump(self) -> bytes:
        return dumps([self.digest, self.stream])

    @staticmethod
    def load(stored: bytes) -> Claim:
        return Claim(*orjson.loads(stored))


@attrs.frozen
class Key:
    """A caller's idempotency key; `ttl` is how long it is kept after its stream has ended."""

    store: Store
    name: str
    digest: str
    ttl: float

    async def claimed(self) -> str | None:
        """
        The id of the stream that it stands for, if it stands for one.

        Raises:
            Reject: It stands for another request.
        """
        stored = await self.store.read(self.name)
        if stored is None:
            return None
        claim = Claim.load(stored)
        self._check(claim.digest)
        return claim.stream

    def is_of(self, other: Key) -> bool:
        """
        Whether it is the same key as that of another request.

        Raises:
            Reject: It is, and the other request asks for something else.
        """
        if self.name != other.name:
            return False
        self._check(other.digest)
        return True

    async def claim(self, stream_id: str, ttl: float) -> bool:
        """Let it stand for this stream; False if it stands for one already."""
        return await self.store.put_if_absent(self.name, self._claim(stream_id), ttl=ttl)

    async def keep(self, stream_id: str, ttl: float) -> None:
        """Hold it for so long from now on."""
        await self.store.put(self.name, self._claim(stream_id), ttl=max(ttl, self.ttl))

    async def free(self) -> None:
        """Let the next request with this key run."""
        await self.store.take(self.name)

    def _check(self, digest: str) -> None:
        if digest != self.digest:
            raise reused()

    def _claim(self, stream_id: str) -> bytes:
        return Claim(self.digest, stream_id).dump()


def unknown() -> Reject:
    """The turn was cut short, so that nobody knows whether Letta has kept it."""
    text = (
        "What became of the request with this Idempotency-Key is not known: the gateway that"
        " ran it stopped before its end. It is not run again. Look at the conversation, then"
        " ask with a new key."
    )
    return Reject(409, "idempotency_unknown", text, retry=False)


def reused() -> Reject:
    """Another request has this key."""
    text = (
        "This Idempotency-Key was used for another request: its body or its chat was different."
        " Make up a new one for each turn."
    )
    return Reject(422, "idempotency_key_reused", text, param="Idempotency-Key", retry=False)


def truncated() -> Reject:
    """The answer is too large to be told from its start."""
    text = (
        "The answer to the request with this Idempotency-Key was too large to be kept whole. It"
        " is not run again. Look at the conversation, or ask with a new key."
    )
    return Reject(409, "idempotency_truncated", text, retry=False)
