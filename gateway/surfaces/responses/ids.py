"""Ids of responses and conversations: signed, and worth something only to whom they were given."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Literal, TypeAlias

import attrs

from gateway.services import Store


Kind: TypeAlias = Literal["resp", "conv"]

# No step of the pipeline has an empty name, so none of them sees what begins so.
SECRET = "/responses/secret"  # noqa: S105  it is where it is kept
FOR_GOOD = 10 * 365 * 86400.0

_GIVEN = re.compile(r"(resp|conv)_([0-9a-f]{32})([0-9a-f]{16})\Z", re.ASCII)


@attrs.frozen
class Ids:
    """Signs for one caller. A `token` is 32 hexadecimal digits."""

    secret: bytes = attrs.field(repr=False)
    caller: str

    def sign(self, kind: Kind, token: str) -> str:
        """The id that the caller is given."""
        return f"{kind}_{token}{self._signature(kind, token)}"

    def token(self, kind: Kind, given: str) -> str | None:
        """The token of an id that this caller was given; None of any other."""
        found = _GIVEN.match(given)
        if found is None or found[1] != kind:
            return None
        genuine = hmac.compare_digest(found[3], self._signature(kind, found[2]))
        return found[2] if genuine else None

    def _signature(self, kind: Kind, token: str) -> str:
        signed = f"{kind}/{token}/{self.caller}".encode(errors="surrogatepass")
        return hmac.new(self.secret, signed, hashlib.sha256).hexdigest()[:16]


async def secret_of(store: Store) -> bytes:
    """
    What all who share this store sign with.

    Raises:
        StoreError: The store does not answer.
    """
    await store.put_if_absent(SECRET, secrets.token_bytes(32), ttl=FOR_GOOD)
    return await store.read(SECRET) or b""
