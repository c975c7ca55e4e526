"""`/v1/responses/{id}`, over a played Letta."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.services import Caller
from gateway.streams.identity import place_of
from gateway.surfaces.responses.ids import Ids, secret_of
from gateway.web.request import STREAMS
from tests.gateway.lane import until
from tests.gateway.played_letta import Step, echo, ping, reasoning, said, stop, text
from tests.gateway.serving import Served, serving
from tests.gateway.surfaces.responses.asking import (
    again,
    error_of,
    first_frame,
    found,
    post,
    response_of,
    streamed,
)
from tests.gateway.surfaces.responses.reading import check, frames_of, said_in


HELLO = {"Milo": said("Hello ", "there", ".")}
KEYS = {"keys": [{"name": "ada", "key": "sk-ada"}, {"name": "bob", "key": "sk-bob"}]}


def of(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def missing(entered: Any) -> bool:
    return (await error_of(entered))[1]["code"] == "response_not_found"


async def forgotten(served: Served, given: str) -> None:
    """Its stream has ended, and is not kept any more, as after an hour."""
    streams = served.gateway.app[STREAMS]
    name = place_of(Caller().identity, given[5:37])
    await until(lambda: streams._running.get(name) is None)
    await streams.forget(given[5:37], Caller())


async def test_as_it_stands(tmp_path: Path) -> None:
    """While it goes on what there is can be read, and afterwards all of it, for days."""
    go = asyncio.Event()
    script: list[Step] = [ping(), reasoning("Hm."), text("one"), go, text(" two"), stop()]
    async with serving(tmp_path, {"Milo": script}) as served:
        async with post(served, stream=True) as answer:
            given = await first_frame(answer)
            while b"one" not in await answer.content.readline():
                pass
            stood = await found(served, given)
            assert (stood["status"], said_in(stood)) == ("in_progress", "one")
            assert stood["output"][-1]["status"] == "in_progress"
            go.set()
            await answer.read()
        whole = await found(served, given)
        assert (whole["status"], said_in(whole)) == ("completed", "one two")
        await forgotten(served, given)
        assert await found(served, given) == whole


async def test_taken_up_at_every_frame(tmp_path: Path) -> None:
    """Behind any number come exactly the frames that everybody got behind it."""
    script = [ping(), reasoning("Hm."), text("one"), text(" two"), stop()]
    async with serving(tmp_path, {"Milo": script}) as served:
        frames = await streamed(served)
        given = check(frames)["id"]
        assert await again(served, given) == frames
        for after in range(len(frames)):
            assert await again(served, given, after) == frames[after + 1 :]


async def test_taken_up_while_it_goes_on(tmp_path: Path) -> None:
    """Nothing is lost and nothing doubled, wherever the connection broke."""
    go = asyncio.Event()
    script: list[Step] = [ping(), text("one"), text(" two"), go, text(" three"), stop()]
    async with serving(tmp_path, {"Milo": script}) as served:
        async with post(served, stream=True) as answer:
            data = b""
            while b" two" not in data:
                data += await answer.content.readline()
            data += await answer.content.readline()
            answer.close()
        seen = frames_of(data)
        given = seen[0]["response"]["id"]
        taking = asyncio.create_task(again(served, given, seen[-1]["sequence_number"]))
        go.set()
        assert said_in(check([*seen, *await taking])) == "one two three"


async def test_taken_up_before_it_has_begun(tmp_path: Path) -> None:
    """What plugins say then of how it is shown holds for all who read it."""
    go = asyncio.Event()
    called = {"tool_call_id": "c", "name": "search", "arguments": "{}"}
    given_back = {"tool_call_id": "c", "status": "success", "tool_return": "found"}
    script: list[Step] = [
        ping(),
        {"message_type": "tool_call_message", "id": "message-1", "tool_call": called},
        {"message_type": "tool_return_message", "id": "message-2", **given_back},
        text("one", "message-3"),
        go,
        stop(),
    ]
    progress = {"use": "tool_progress", "config": {"headers": ["X-Mine"]}}
    pipeline = [{"use": "agent_resolver"}, progress, {"use": "conversation_resolver"}]
    mine: Any = {"stream": True, "conversation": "chat", "headers": {"X-Mine": "1"}}
    quick = {"keepalive_seconds": 0.05}
    async with (
        serving(tmp_path, {"Milo": script}, pipeline=pipeline, server=quick) as served,
        post(served, **mine) as first,
    ):
        await first_frame(first)
        async with post(served, **mine) as waiting:
            given = await first_frame(waiting)
            waiting.close()
        taking = asyncio.create_task(again(served, given))
        await asyncio.sleep(0.1)
        go.set()
        frames = await taking
        kinds = [item["type"] for item in check(frames, typed=False)["output"]]
        assert kinds == ["function_call", "function_call_output", "message"]
        assert await again(served, given) == frames


async def test_a_stream_that_is_not_kept_any_more(tmp_path: Path) -> None:
    """The response is; the error says so."""
    async with serving(tmp_path, HELLO) as served:
        response = await response_of(served)
        await forgotten(served, response["id"])
        path = f"/v1/responses/{response['id']}"
        status, wrong = await error_of(served.get(f"{path}?stream=true"))
        assert (status, wrong["code"]) == (404, "stream_not_found")
        assert await found(served, response["id"]) == response
        async with served.session.post(f"{served.url}{path}/cancel") as answer:
            assert await answer.json() == response


@pytest.mark.parametrize("background", [True, False])
async def test_an_end_that_nobody_sees(tmp_path: Path, background: bool) -> None:
    """It is kept with its response all the same, whose stream is not kept for as long."""
    go = asyncio.Event()
    script: list[Step] = [ping(), text("one"), go, text(" two"), stop()]
    async with serving(tmp_path, {"Milo": script}) as served:
        async with post(served, stream=True, background=background) as answer:
            given = await first_frame(answer)
            answer.close()
        go.set()
        await forgotten(served, given)
        assert said_in(await found(served, given)) == "one two"


async def test_cancelled(tmp_path: Path) -> None:
    """It stops, at Letta too; what was said stands, and readers are told."""
    script: list[Step] = [ping(), text("one"), asyncio.Event()]
    async with serving(tmp_path, {"Milo": script}) as served:
        async with post(served, stream=True) as answer:
            given = await first_frame(answer)
            while b"one" not in await answer.content.readline():
                pass
            path = f"{served.url}/v1/responses/{given}/cancel"
            async with served.session.post(path) as stopping:
                response = await stopping.json()
            assert (response["status"], said_in(response)) == ("cancelled", "one")
            rest = await answer.read()
        assert b'"status":"cancelled"' in rest
        assert rest.count(b"event: response.incomplete") == 1
        assert await found(served, given) == response
        async with served.session.post(path) as stopping:  # once more changes nothing
            assert await stopping.json() == response
    assert len(served.letta.cancelled) == 1


async def test_cancelled_for_who_waits_for_the_whole(tmp_path: Path) -> None:
    """That is no error: the response says that it was cancelled."""
    script: list[Step] = [ping(), text("one"), asyncio.Event()]
    async with serving(tmp_path, {"Milo": script}) as served:
        asking = asyncio.create_task(response_of(served, headers={"Idempotency-Key": "k"}))
        await served.letta.busy.wait()
        async with post(served, stream=True, headers={"Idempotency-Key": "k"}) as answer:
            given = await first_frame(answer)
            while b"one" not in await answer.content.readline():
                pass
            async with served.session.post(f"{served.url}/v1/responses/{given}/cancel") as done:
                assert done.status == 200
        assert (await asking)["status"] == "cancelled"


async def test_deleted(tmp_path: Path) -> None:
    """Nothing of it is kept; running, it is stopped."""
    script: list[Step] = [ping(), text("one"), asyncio.Event()]
    async with serving(tmp_path, {"Milo": script, "Ada": echo}) as served:
        running = await response_of(served, background=True)
        whole = await response_of(served, model="Ada")
        kept = await response_of(served, model="Ada")
        await forgotten(served, kept["id"])
        for response in (running, whole, kept):
            path = f"/v1/responses/{response['id']}"
            async with served.session.delete(f"{served.url}{path}") as answer:
                assert await answer.json() == {
                    "id": response["id"],
                    "object": "response",
                    "deleted": True,
                }
            assert await missing(served.get(path))
            assert await missing(served.session.delete(f"{served.url}{path}"))
            status, wrong = await error_of(post(served, previous_response_id=response["id"]))
            assert (status, wrong["code"]) == (400, "previous_response_not_found")
    assert len(served.letta.cancelled) == 1


async def test_deleted_while_it_is_read(tmp_path: Path) -> None:
    """Its reader is told that it was stopped."""
    script: list[Step] = [ping(), text("one"), asyncio.Event()]
    async with serving(tmp_path, {"Milo": script}) as served:
        async with post(served, stream=True) as answer:
            given = await first_frame(answer)
            path = f"{served.url}/v1/responses/{given}"
            async with served.session.delete(path) as deleted:
                assert deleted.status == 200
            assert b'"status":"cancelled"' in await answer.read()
        assert await missing(served.session.get(path))


async def test_it_belongs_to_who_asked(tmp_path: Path) -> None:
    """To another key it is as if there were none, whatever is asked of it."""
    async with serving(tmp_path, HELLO, **KEYS) as served:
        response = await response_of(served, headers=of("sk-ada"))
        path, bob = f"/v1/responses/{response['id']}", of("sk-bob")
        async with served.get(path, headers=of("sk-ada")) as answer:
            assert answer.status == 200
        assert await missing(served.get(path, headers=bob))
        assert await missing(served.get(f"{path}?stream=true", headers=bob))
        assert await missing(served.get(f"{path}/input_items", headers=bob))
        assert await missing(served.session.delete(f"{served.url}{path}", headers=bob))
        assert await missing(served.session.post(f"{served.url}{path}/cancel", headers=bob))
        follow = post(served, previous_response_id=response["id"], headers=bob)
        assert (await error_of(follow))[1]["code"] == "previous_response_not_found"
        item = {"type": "item_reference", "id": response["output"][0]["id"]}
        refer = post(served, [item, {"role": "user", "content": "Hi"}], headers=bob)
        assert (await error_of(refer))[1]["code"] == "item_not_found"


@pytest.mark.parametrize("given", ["resp_1", "nothing", "resp_" + "0" * 48, "conv_" + "0" * 48])
async def test_what_was_never_given_out(tmp_path: Path, given: str) -> None:
    """It is not found, in OpenAI's words."""
    async with serving(tmp_path, HELLO) as served:
        status, wrong = await error_of(served.get(f"/v1/responses/{given}"))
    assert (status, wrong["message"]) == (404, f"Response with id '{given}' not found.")


async def test_streams_of_other_surfaces_are_none(tmp_path: Path) -> None:
    """Though their id be known, it is no response's."""
    async with serving(tmp_path, {"Milo": [ping(), text("one"), asyncio.Event()]}) as served:
        body = {"agent": "Milo", "message": "Hi"}
        async with served.session.post(f"{served.url}/chat/stream", json=body) as answer:
            stream = answer.headers["X-Stream-Id"]
            secret = await secret_of(served.gateway.app[STREAMS].store)
            path = f"/v1/responses/{Ids(secret, 'anonymous').sign('resp', stream)}"
            assert await missing(served.get(path))
            assert await missing(served.session.post(f"{served.url}{path}/cancel"))
            assert await missing(served.session.delete(f"{served.url}{path}"))
            assert served.letta.cancelled == []


@pytest.mark.parametrize("query", ["starting_after=x", "starting_after=-2", "starting_after=٣"])
async def test_a_number_that_is_none(tmp_path: Path, query: str) -> None:
    """A 400 names it."""
    async with serving(tmp_path, HELLO) as served:
        given = (await response_of(served))["id"]
        path = f"/v1/responses/{given}?stream=true&{query}"
        status, wrong = await error_of(served.get(path))
    assert (status, wrong["param"]) == (400, "starting_after")


async def test_input_items(tmp_path: Path) -> None:
    """What was asked can be read again, in pages."""
    items = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
        {"role": "user", "content": [{"type": "input_text", "text": "three"}]},
    ]
    async with serving(tmp_path, {"Milo": echo}) as served, served.openai() as sdk:
        response = (await sdk.responses.create(model="Milo", input=items)).to_dict()
        read = [item async for item in sdk.responses.input_items.list(response["id"], limit=2)]
        path = f"/v1/responses/{response['id']}/input_items?order=asc"
        async with served.get(path, headers=of("sk-x")) as answer:
            page = await answer.json()
        deleted = await error_of(served.get("/v1/responses/resp_1/input_items"))
    assert [item.type for item in read] == [
        "message",
        "function_call_output",
        "function_call",
        "message",
        "message",
    ]
    assert [item["id"] for item in page["data"]] == [item.id for item in reversed(read)]
    assert page["data"][1]["content"] == [{"type": "output_text", "text": "two"}]
    assert (page["first_id"], page["has_more"]) == (page["data"][0]["id"], False)
    assert deleted[0] == 404
