"""Another configuration in the place of the running one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import loguru
import pytest

from gateway import config, live
from gateway.errors import StartError
from gateway.plugin import NoConfig, Plugin, Services
from tests.gateway.played_letta import Script, ping, reasoning, said, stop, text, usage
from tests.gateway.serving import PIPELINE, USER, Served, serving


HERE = __name__


def shown(*into: str) -> list[dict[str, Any]]:
    """The pipeline, with reasoning in these fields."""
    entries: list[dict[str, Any]] = [{"use": f"{HERE}:Noted"}, *({"use": u} for u in PIPELINE)]
    entries[-1]["config"] = {"into": list(into)}
    return entries


def loaded(tmp_path: Path, served: Served, **sections: Any) -> config.Config:
    """What a file with these sections says, over the same Letta."""
    file = tmp_path / "changed.yaml"
    whole = {"store": "memory", "letta": {"base_url": served.letta.url}, **sections}
    file.write_text(json.dumps(whole))
    return config.load(file, environ={})


happened: list[str] = []


class Noted(Plugin[NoConfig]):
    """Notes when it is opened and closed, and that both are done in one task."""

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        task = asyncio.current_task()
        happened.append("opened")
        try:
            yield
        finally:
            assert task is asyncio.current_task()
            happened.append("closed")


class Broken(Plugin[NoConfig]):
    """Cannot start."""

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        raise StartError("its model is not there")
        yield


@attrs.define
class Paused:
    """An answer that waits in its middle."""

    on: asyncio.Event = attrs.field(factory=asyncio.Event)

    def script(self) -> Script:
        ending = [reasoning("Hm.", "message-0"), text("lo"), stop(), usage(), b"data: [DONE]\n\n"]
        return [ping(), text("Hel"), self.on, *ending]


@asynccontextmanager
async def house(tmp_path: Path, script: Script) -> AsyncIterator[Served]:
    happened.clear()
    async with serving(tmp_path, {"Milo": script}, pipeline=shown("reasoning")) as served:
        yield served


async def streamed(answer: Any) -> list[dict[str, Any]]:
    """The deltas of a stream, which must be whole."""
    lines = [line async for line in answer.content if line.startswith(b"data: ")]
    assert lines[-1] == b"data: [DONE]\n", lines
    return [json.loads(line[6:])["choices"][0]["delta"] for line in lines[:-1]]


async def test_a_stream_goes_on_as_it_began(tmp_path: Path) -> None:
    """What runs keeps its pipeline; what comes takes the new one; the old closes at last."""
    paused = Paused()
    async with house(tmp_path, paused.script()) as served:
        body = {"model": "Milo", "messages": USER, "stream": True}
        async with served.post(body) as answer:
            await anext(aiter(answer.content))
            await served.gateway.live.use(loaded(tmp_path, served, pipeline=shown()))
            assert happened == ["opened", "opened"]
            served.letta.scripts["Milo"] = [reasoning("Hm."), *said("Hello")]
            async with served.post({"model": "Milo", "messages": USER}) as other:
                message = (await other.json())["choices"][0]["message"]
            assert "reasoning" not in message
            paused.on.set()
            deltas = await streamed(answer)
        assert "".join(delta.get("content", "") for delta in deltas).endswith("lo")
        assert "Hm." in {delta.get("reasoning") for delta in deltas}
        async with asyncio.timeout(10):
            while happened != ["opened", "opened", "closed"]:  # noqa: ASYNC110
                await asyncio.sleep(0)
    assert happened == ["opened", "opened", "closed", "closed"]


async def test_what_cannot_start(tmp_path: Path) -> None:
    """It changes nothing, and says why; what it had opened is closed."""
    async with house(tmp_path, said("Hello")) as served:
        pipeline = [*shown(), {"use": f"{HERE}:Broken"}]
        with pytest.raises(StartError, match="its model is not there"):
            await served.gateway.live.use(loaded(tmp_path, served, pipeline=pipeline))
        assert happened == ["opened", "opened", "closed"]
        async with served.post({"model": "Milo", "messages": USER}) as answer:
            assert answer.status == 200


async def test_keys(tmp_path: Path) -> None:
    """They are those of the new configuration at once."""
    async with house(tmp_path, said("Hello")) as served:
        keys = [{"name": "ada", "key": "sk-ada"}]
        await served.gateway.live.use(loaded(tmp_path, served, pipeline=shown(), keys=keys))
        async with served.post({"model": "Milo", "messages": USER}) as answer:
            assert answer.status == 401


async def test_patience(tmp_path: Path) -> None:
    """A stream that runs for long on an outdated configuration is not cut; the log tells."""
    paused = Paused()
    async with house(tmp_path, paused.script()) as served:
        served.gateway.live.patience = 0
        told: asyncio.Queue[str] = asyncio.Queue()
        sink = loguru.logger.add(told.put_nowait, level="WARNING")
        body = {"model": "Milo", "messages": USER, "stream": True}
        async with served.post(body) as answer:
            await anext(aiter(answer.content))
            await served.gateway.live.use(loaded(tmp_path, served, pipeline=shown()))
            async with asyncio.timeout(20):
                assert "outdated" in await told.get()
            assert "closed" not in happened
            paused.on.set()
            await streamed(answer)
        loguru.logger.remove(sink)


class Hanging(Plugin[NoConfig]):
    """Never starts."""

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        happened.append("hangs")
        try:
            await asyncio.Event().wait()
        finally:
            happened.append("cancelled")
        yield


class Clinging(Plugin[NoConfig]):
    """Never ends."""

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        yield
        await asyncio.Event().wait()


async def test_a_plugin_that_hangs(tmp_path: Path) -> None:
    """It is given up in time, and another configuration can follow."""
    async with house(tmp_path, said("Hello")) as served:
        pipeline = [*shown(), {"use": f"{HERE}:Hanging"}]
        with pytest.raises(StartError, match="does not start within"):
            await served.gateway.live.use(loaded(tmp_path, served, pipeline=pipeline), within=0.05)
        assert happened == ["opened", "opened", "hangs", "cancelled", "closed"]
        await served.gateway.live.use(loaded(tmp_path, served, pipeline=shown()))


async def test_a_plugin_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway ends all the same."""
    monkeypatch.setattr(live, "CLOSING_SECONDS", 0.05)
    async with house(tmp_path, said("Hello")) as served:
        pipeline = [*shown(), {"use": f"{HERE}:Clinging"}]
        await served.gateway.live.use(loaded(tmp_path, served, pipeline=pipeline))
    assert happened.count("closed") == 2


async def test_many_streams_and_many_changes(tmp_path: Path) -> None:
    """Every stream is whole, whenever the configuration changes."""
    words = [f"w{i} " for i in range(20)]
    gates = [asyncio.Event() for _ in words]
    script = [ping()]
    for word, gate in zip(words, gates, strict=True):
        script += [text(word), gate]
    script += [stop(), usage(), b"data: [DONE]\n\n"]
    async with house(tmp_path, script) as served:

        async def one() -> str:
            body = {"model": "Milo", "messages": USER, "stream": True}
            async with served.post(body) as answer:
                return "".join(delta.get("content", "") for delta in await streamed(answer))

        streams = [asyncio.create_task(one()) for _ in range(30)]
        for i, gate in enumerate(gates):
            await served.gateway.live.use(loaded(tmp_path, served, pipeline=shown("reasoning")))
            if i < 10:
                streams += [asyncio.create_task(one())]
            gate.set()
        assert set(await asyncio.gather(*streams)) == {"".join(words)}
    assert happened.count("opened") == happened.count("closed") == 21


async def test_a_body_that_still_comes(tmp_path: Path) -> None:
    """Whoever has begun to send a request is answered by what was in use then."""
    async with house(tmp_path, said("Hello")) as served:
        body = json.dumps({"model": "Milo", "messages": USER}).encode()
        half = asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield body[:10]
            await half.wait()
            yield body[10:]

        headers = {"Content-Type": "application/json"}
        url = f"{served.url}/v1/chat/completions"
        asking = asyncio.create_task(served.session.post(url, data=slowly(), headers=headers))
        async with asyncio.timeout(10):
            while not served.gateway.live.current.busy:  # noqa: ASYNC110
                await asyncio.sleep(0)
        await served.gateway.live.use(loaded(tmp_path, served, pipeline=shown()))
        assert happened == ["opened", "opened"]
        half.set()
        async with await asking as answer:
            assert answer.status == 200
