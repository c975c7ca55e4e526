"""`/health` and `/ready`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from loguru import logger

from gateway.errors import StoreError
from gateway.web import health
from gateway.web.health import Readiness
from tests.gateway.played_letta import Refusal, said
from tests.gateway.serving import serving


MILO = {"Milo": said("Hello")}


async def well() -> None:
    pass


async def no_store() -> None:
    raise StoreError("The disk is full.")


async def forever() -> None:
    await asyncio.Event().wait()


async def bug() -> None:
    raise KeyError("secret")


async def test_both_when_all_is_well(tmp_path: Path) -> None:
    """The process lives, and each part answers; no key is asked."""
    keys = [{"name": "ann", "key": "sk-ann"}]
    async with serving(tmp_path, MILO, keys=keys) as served:
        async with served.get("/health") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        async with served.get("/ready") as answer:
            assert answer.status == 200
            assert await answer.json() == {"status": "ok", "letta": "ok", "store": "ok"}
        async with served.session.head(f"{served.url}/health") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    "down",
    [
        Refusal(500, {"detail": "No."}),
        Refusal(401, {"detail": "Unauthorized"}),
        Refusal(503, "<html>down for maintenance</html>"),
        Refusal(200, "<html>this is no Letta</html>"),
    ],
)
async def test_letta_is_down(
    tmp_path: Path, down: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway lives but is not ready, and says why; it is ready again when Letta is."""
    monkeypatch.setattr(health, "FRESH_SECONDS", 0)
    async with serving(tmp_path, MILO) as served:
        served.letta.down = down
        async with served.get("/health") as answer:
            assert answer.status == 200
        async with served.get("/ready") as answer:
            assert answer.status == 503
            parts = await answer.json()
        assert (parts["status"], parts["store"]) == ("unready", "ok")
        assert parts["letta"] != "ok"
        served.letta.down = None
        async with served.get("/ready") as answer:
            assert answer.status == 200


async def test_letta_cannot_be_reached(tmp_path: Path) -> None:
    """No connection at all is the same."""
    unused = {"base_url": "http://127.0.0.1:9"}
    async with serving(tmp_path, MILO, letta=unused) as served, served.get("/ready") as answer:
        assert answer.status == 503
        assert (await answer.json())["letta"] == "upstream_unreachable"


async def test_asked_by_many() -> None:
    """However many ask, Letta and the store are asked once a second."""
    asked: list[int] = []

    async def count() -> None:
        asked.append(1)

    readiness = Readiness({"letta": count}, logger)
    for _ in range(20):
        assert (await readiness.ready(None)).status == 200  # type: ignore[arg-type]
    assert len(asked) <= 2


async def test_each_part_has_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """One part that fails, hangs or breaks does not hide the others."""
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)
    parts = {"a": well, "b": no_store, "c": forever, "d": bug}
    answer = await Readiness(parts, logger).ready(None)  # type: ignore[arg-type]
    assert answer.status == 503
    assert answer.text is not None
    for word in ("ok", "store_unavailable", "no answer in 0.05 s", "failed: KeyError"):
        assert f'"{word}"' in answer.text
    assert "secret" not in answer.text
