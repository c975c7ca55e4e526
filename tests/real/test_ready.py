"""Whether the gateway can answer."""

from __future__ import annotations

from tests.real.conftest import Serve


async def test_ready(serve: Serve) -> None:
    """It can: Letta answers, and the store does."""
    client = await serve()

    alive = await client.get("/health")
    ready = await client.get("/ready")

    assert (alive.status, alive.json["status"]) == (200, "ok")
    assert (ready.status, ready.json["letta"], ready.json["store"]) == (200, "ok", "ok")
