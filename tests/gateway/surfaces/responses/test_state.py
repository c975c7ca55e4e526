"""What the handlers share."""

from __future__ import annotations

from pathlib import Path

from gateway.surfaces.responses.ids import SECRET
from gateway.surfaces.responses.state import SHARED
from tests.gateway.played_letta import echo
from tests.gateway.serving import serving
from tests.gateway.surfaces.responses.asking import found, response_of


async def test_the_secret_is_the_stores(tmp_path: Path) -> None:
    """So an id is good in every process, and after a restart."""
    store = {"use": "sqlite", "path": str(tmp_path / "gateway.db")}
    async with serving(tmp_path, {"Milo": echo}, store=store) as served:
        response = await response_of(served)
        secret = served.gateway.app[SHARED].secret
        assert await served.gateway.store.read(SECRET) == secret
    async with serving(tmp_path, {"Milo": echo}, store=store) as served:
        assert await found(served, response["id"]) == response
        assert served.gateway.app[SHARED].secret == secret
    assert secret.hex() not in repr(served.gateway.app[SHARED])
