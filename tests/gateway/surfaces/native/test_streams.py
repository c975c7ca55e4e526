from __future__ import annotations

import asyncio

import pytest

from gateway.testing.fakeletta import FakeLetta, Step
from tests.gateway.surfaces.native.native import frames, native, shown, text_in, until


WORDS = tuple(f"w{number} " for number in range(40))


def slow() -> FakeLetta:
    letta = FakeLetta()
    letta.add_agent("Slow", script=[Step(WORDS, "I think.", delay=0.02)])
    letta.add_agent("Milo")
    return letta


async def state(api, stream_id):
    async with api.get(f"/chat/streams/{stream_id}") as answer:
        assert answer.status == 200
        return await answer.json()


async def ended(api, stream_id):
    async with asyncio.timeout(20):
        while (told := await state(api, stream_id))["state"] == "running":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return told


async def test_taken_up_at_every_event(tmp_path):
    """Whichever event was seen last, the rest follows it: nothing is lost, nothing doubled."""
    async with native(tmp_path) as api:
        async with api.stream("@@reason@@", events="full") as answer:
            stream_id, whole = answer.headers["X-Stream-Id"], frames(await answer.read())
        for place, (event_id, _) in enumerate(whole):
            headers = {"Last-Event-ID": event_id} if event_id else {"Accept": "text/event-stream"}
            async with api.get(f"/chat/streams/{stream_id}", headers=headers) as answer:
                rest = frames(await answer.read())
            assert rest == (whole[place + 1 :] if event_id else whole)


async def test_taken_up_by_the_same_request(tmp_path):
    """A client that sends its request again with the last id goes on, too."""
    async with native(tmp_path, slow()) as api:
        async with api.stream("Hi", "Slow", chat_id="c1") as answer:
            seen = frames(await answer.content.readuntil(b'w3 "}\n\n'))
        headers = {"Last-Event-ID": seen[-1][0]}
        body = {"agent": "Slow", "message": "Hi", "chat_id": "c1"}
        async with api.post("/chat/stream", body, headers=headers) as answer:
            rest = shown(await answer.read())
        said = [each for _, each in seen] + rest
    assert text_in(said) == "".join(WORDS)
    assert rest[-1] == {"type": "done"}


async def test_state(tmp_path):
    """A stream that was left goes on; what it has come to can be read."""
    async with native(tmp_path, slow()) as api:
        (agent, _) = api.letta.agents
        async with api.stream("Hi", "Slow", chat_id="c1") as answer:
            stream_id = answer.headers["X-Stream-Id"]
            await answer.content.readuntil(b'w3 "}\n\n')
        running = await state(api, stream_id)
        assert (running["stream_id"], running["state"]) == (stream_id, "running")
        assert "w3 " in running["response"]
        told = await ended(api, stream_id)
    assert told["state"] == "finished"
    assert (told["agent_id"], told["chat_id"]) == (agent, "c1")
    assert told["response"] == "".join(WORDS)
    assert "error" not in told


async def test_interrupted(tmp_path):
    """An interrupt stops the stream; its reader is told, and what was said stays."""
    async with native(tmp_path, slow()) as api, api.stream("Hi", "Slow", chat_id="c1") as answer:
        stream_id = answer.headers["X-Stream-Id"]
        await answer.content.readuntil(b'w3 "}\n\n')
        async with api.post(f"/chat/streams/{stream_id}/interrupt") as interrupt:
            told = await interrupt.json()
        rest = shown(await answer.read())
        assert rest[-1] == {"type": "interrupted"}
        assert told["state"] == "cancelled"
        assert told["response"].startswith("w0 w1 w2 w3 ")
        assert told["response"] != "".join(WORDS)
        assert await state(api, stream_id) == told
        (run,) = api.letta.runs.values()
        await until(lambda: run.over)
        assert run.status == "cancelled"


async def test_interrupted_too_late(tmp_path):
    """What has ended stays as it is."""
    async with native(tmp_path) as api:
        async with api.stream("Hi") as answer:
            stream_id = answer.headers["X-Stream-Id"]
            await answer.read()
        async with api.post(f"/chat/streams/{stream_id}/interrupt") as interrupt:
            assert (await interrupt.json())["state"] == "finished"


async def test_failed(tmp_path):
    """A stream that failed says why, and has what was said before."""
    async with native(tmp_path) as api:
        async with api.stream("@@drop@@") as answer:
            stream_id = answer.headers["X-Stream-Id"]
            said = text_in(shown(await answer.read()))
        told = await state(api, stream_id)
    assert (told["state"], told["response"]) == ("failed", said)
    assert told["error"]["code"]


@pytest.mark.parametrize("key", ["other", None])
async def test_somebody_elses(key, tmp_path):
    """To anybody else there is no such stream."""
    async with native(tmp_path) as api:
        body = {"agent": "Milo", "message": "Hi"}
        mine = {"Authorization": "Bearer mine"}
        async with api.post("/chat/stream", body, headers=mine) as answer:
            stream_id = answer.headers["X-Stream-Id"]
            await answer.read()
        theirs = {"Authorization": f"Bearer {key}"} if key else {}
        for ask in (
            api.get(f"/chat/streams/{stream_id}", headers=theirs),
            api.get(
                f"/chat/streams/{stream_id}", headers=theirs | {"Last-Event-ID": f"{stream_id}:1"}
            ),
            api.post(f"/chat/streams/{stream_id}/interrupt", headers=theirs),
        ):
            async with ask as answer:
                assert answer.status == 404
                assert (await answer.json())["error"]["code"] == "stream_not_found"


@pytest.mark.parametrize("sent", ["7", "x:1", f"{'0' * 32}:1", f"{'0' * 32}:one"])
async def test_no_event_of_this_stream(sent, tmp_path):
    """An id that is none, or another stream's, is refused."""
    async with native(tmp_path) as api:
        async with api.stream("Hi") as answer:
            stream_id = answer.headers["X-Stream-Id"]
            await answer.read()
        headers = {"Last-Event-ID": sent}
        async with api.get(f"/chat/streams/{stream_id}", headers=headers) as answer:
            assert answer.status == 400


async def test_the_way_it_is_shown_stays(tmp_path):
    """Who takes a stream up sees it as it was asked for."""
    async with native(tmp_path) as api:
        async with api.stream("@@reason@@", enable_thinking=False) as answer:
            stream_id, whole = answer.headers["X-Stream-Id"], await answer.read()
        headers = {"Accept": "text/event-stream"}
        async with api.get(f"/chat/streams/{stream_id}", headers=headers) as answer:
            assert frames(await answer.read()) == frames(whole)
