"""Who may ask: keys, and origins of browser pages."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import attrs
from aiohttp import web

from gateway.addresses import is_loopback
from gateway.errors import Reject
from gateway.services import Caller


# Headers that pages may send and read. Any, as SDKs have many of their own; but a star means
# nothing to older browsers, and `Authorization` is never among what it means.
ALLOWED = "*, Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Letta-Chat-Key"
EXPOSED = "*, X-Request-Id, X-Stream-Id, X-Should-Retry, Idempotent-Replayed"


@attrs.frozen
class Key:
    """A key that callers may use, and the name it has in logs."""

    name: str
    secret: str = attrs.field(repr=False)


@attrs.frozen
class Access:
    """
    Checks the bearer and the origin.

    Without keys any bearer is taken (the gateway then serves loopback only), and its hash
    tells callers apart; no bearer at all is one anonymous caller.
    """

    keys: Sequence[Key] = ()
    origins: frozenset[str] = frozenset()

    def caller(self, request: web.Request) -> Caller:
        """
        Who asks.

        Raises:
            Reject: There are keys, and this is none of them.
        """
        return self.known(bearer_of(request))

    def known(self, bearer: str) -> Caller:
        """
        Who has this bearer token, "" for none.

        Raises:
            Reject: There are keys, and this is none of them.
        """
        if not self.keys:
            return Caller("anonymous", _digest(bearer)) if bearer else Caller()
        # Every key is compared, in constant time, so that time tells nothing.
        matching = [key for key in self.keys if _equal(key.secret, bearer)]
        if not matching:
            text = "The API key is wrong." if bearer else "An API key is missing."
            text += " Send it as 'Authorization: Bearer KEY'."
            raise Reject(401, "invalid_api_key", text)
        return Caller(matching[0].name, f"key:{matching[0].name}")

    def check_origin(self, request: web.Request) -> None:
        """
        Refuse pages of other sites: they could reach a gateway on loopback. The gateway's own
        pages are welcome; whether a name is its own is for `check_host` to say.

        Raises:
            Reject: The request comes from a page whose origin is not listed.
        """
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self.origins and not _own(origin, request):
            text = f"Pages of {origin} may not ask. Its operator can list it: server.allow_origins."
            raise Reject(403, "origin_not_allowed", text)

    def check_host(self, request: web.Request) -> None:
        """
        Without keys, answer only to names of this machine: a page on any site can have its
        own name resolve to it, and then needs no Origin to read.

        Raises:
            Reject: The request was sent to another name.
        """
        if self.keys:
            return
        try:
            host = urlsplit(f"//{request.host}").hostname or ""
        except ValueError:
            host = request.host
        if not is_loopback(host):
            text = f"Without a key only localhost is served, not {host}. Set LETTA_GATEWAY_KEY."
            raise Reject(403, "host_not_allowed", text)

    def cors(self, request: web.Request) -> Mapping[str, str]:
        """The headers that let a listed page read the answer."""
        origin = request.headers.get("Origin")
        if origin is None or origin not in self.origins:
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Headers": ALLOWED,
            "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
            "Access-Control-Expose-Headers": EXPOSED,
            "Vary": "Origin",
        }


def bearer_of(request: web.Request) -> str:
    """The bearer token that a request has in its headers, or ""."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _own(origin: str, request: web.Request) -> bool:
    """Whether the page is from here: it has the name and the port that was asked."""
    scheme, _, place = origin.partition("://")
    return scheme in {"http", "https"} and place.lower() == request.host.lower()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _equal(secret: str, sent: str) -> bool:
    return hmac.compare_digest(secret.encode(), sent.encode("utf-8", "surrogateescape"))
