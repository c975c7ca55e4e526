"""Who runs the turn of a key: the one whose claim is stored first."""

from __future__ import annotations

import secrets

import attrs
import orjson

from gateway.errors import Reject
from gateway.json_text import dumps
from gateway.services import Lease, Store


# Somebody else has the lease and will have stored a claim in a moment.
_PAUSE = 0.2
_PAUSES = 50
_QUEUE = 1000
_LOOK = 0.1


@attrs.frozen
class Claim:
    """What was asked under a key, and the log that its answer is written to."""

    digest: str
    log: str

    def dump(self) -> bytes:
        return dumps([self.digest, self.log])

    @staticmethod
    def load(stored: bytes) -> Claim:
        return Claim(*orjson.loads(stored))


@attrs.frozen
class Claimed:
    """
    A claim of ours. The lease says that its owner lives: it ends with the process.

    The lease is taken before the claim is stored, so that a claim without a lease is one
    whose turn is over, or was killed.
    """

    store: Store
    name: str
    claim: Claim
    lease: Lease

    async def keep(self, ttl: float) -> None:
        """Hold the key for so long from now on."""
        await self.store.put(self.name, self.claim.dump(), ttl=ttl)

    async def free(self) -> None:
        """Let the next request with this key run."""
        await self.store.take(self.name)


async def claim(store: Store, name: str, digest: str, ttl: float) -> Claimed | Claim:
    """
    Claim a key, or find the claim that is there.

    Raises:
        Reject: It cannot be known in time whose the key is.
    """
    for _ in range(_PAUSES):
        stored = await store.read(name)
        if stored is not None:
            return Claim.load(stored)
        lease = await store.lease(name, wait=_PAUSE, queue=_QUEUE)
        if lease is not None:
            claimed = Claimed(store, name, Claim(digest, f"{name}/{secrets.token_hex(8)}"), lease)
            if await _stored(claimed, ttl):
                return claimed
    raise unknown()


async def is_alive(store: Store, name: str) -> bool:
    """Whether somebody runs the turn of this key."""
    # Another who looks has it for a moment.
    lease = await store.lease(name, wait=_LOOK, queue=_QUEUE)
    if lease is not None:
        await lease.release()
    return lease is None


async def _stored(claimed: Claimed, ttl: float) -> bool:
    stored = False
    try:
        stored = await claimed.store.put_if_absent(claimed.name, claimed.claim.dump(), ttl=ttl)
    finally:
        if not stored:
            await claimed.lease.release()
    return stored


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
    text = "This Idempotency-Key was used for another request: its body or its chat was different."
    return Reject(422, "idempotency_key_reused", text, param="Idempotency-Key", retry=False)


def truncated() -> Reject:
    """The answer is too large to be told from its start."""
    text = (
        "The answer to the request with this Idempotency-Key was too large to be kept whole. It"
        " is not run again."
    )
    return Reject(409, "idempotency_truncated", text, retry=False)
