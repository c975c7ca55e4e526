"""Requests that follow others, over a played Letta."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import attrs
import pytest

from gateway.services import Caller
from gateway.surfaces.responses import chain, kept
from gateway.surfaces.responses.ids import Ids
from gateway.testing.fakeletta import FakeLetta
from gateway.web.request import STREAMS
from tests.gateway.lane import until
from tests.gateway.played_letta import Step, echo, ping, said, stop, text
from tests.gateway.serving import Served, over, serving
from tests.gateway.surfaces.responses.asking import (
    error_of,
    first_frame,
    found,
    post,
    response_of,
)
from tests.gateway.surfaces.responses.reading import said_in


def told(served: Served) -> list[list[tuple[str, str]]]:
    """What Letta was told in each request."""
    return [[(m["role"], m["content"]) for m in body["messages"]] for body in served.letta.asked]


async def test_what_follows(tmp_path: Path) -> None:
    """The agent is told what is new, in the conversation that it knows."""
    async with serving(tmp_path, {"Milo": echo}) as served:
        first = await response_of(served, "one")
        second = await response_of(served, "two", previous_response_id=first["id"])
        assert second["previous_response_id"] == first["id"]
        await response_of(served, "three", previous_response_id=second["id"])
        assert told(served) == [[("user", each)] for each in ("one", "two", "three")]
        assert len(served.letta.conversations) == 1


async def test_followed_twice(tmp_path: Path) -> None:
    """The second time begins a branch: another conversation, fed with what came before."""
    async with serving(tmp_path, {"Milo": echo}) as served:
        first = await response_of(served, "one")
        await response_of(served, "left", previous_response_id=first["id"])
        right = await response_of(served, "right", previous_response_id=first["id"])
        assert told(served)[-1] == [("user", "one"), ("assistant", "one "), ("user", "right")]
        await response_of(served, "more", previous_response_id=right["id"])
        assert told(served)[-1] == [("user", "more")]
        assert len(served.letta.conversations) == 2


async def test_instructions_are_for_one_response(tmp_path: Path) -> None:
    """They are not carried over; what is said by a developer is."""
    items = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "one"}]
    async with serving(tmp_path, {"Milo": echo}) as served:
        first = await response_of(served, items, instructions="Be brief.")
        for _ in range(2):  # the second is a branch
            await response_of(served, "two", previous_response_id=first["id"])
        systems = [[text for role, text in each if role == "system"] for each in told(served)]
    assert systems == [["Be brief.", "Be kind."], ["Be kind."], ["Be kind."]]


async def test_a_response_that_was_not_kept(tmp_path: Path) -> None:
    """It may follow others; nothing can follow it."""
    async with serving(tmp_path, {"Milo": echo}) as served:
        first = await response_of(served, "one")
        second = await response_of(served, "two", previous_response_id=first["id"], store=False)
        assert told(served)[-1] == [("user", "two")]
        follow = post(served, "three", previous_response_id=second["id"])
        status, wrong = await error_of(follow)
    assert (status, wrong["param"]) == (400, "previous_response_id")
    assert wrong["message"].startswith(f"Previous response with id '{second['id']}' not found.")
    assert "Send the whole input" in wrong["message"]


async def test_one_that_is_not_over(tmp_path: Path) -> None:
    """It is waited for."""
    go = asyncio.Event()
    first: list[Step] = [ping(), text("one"), go, stop()]

    def script(body: Any) -> Any:
        return first if body["messages"][-1]["content"] == "one" else echo(body)

    async with serving(tmp_path, {"Milo": script}) as served:
        running = await response_of(served, "one", background=True)
        following = asyncio.create_task(
            response_of(served, "two", previous_response_id=running["id"])
        )
        await served.letta.busy.wait()
        go.set()
        assert said_in(await following) == "two "


async def test_one_that_its_client_has_left(tmp_path: Path) -> None:
    """Who goes on behind it does not wait: what was said until then stands."""
    async with FakeLetta(pace=0.02) as letta, over(letta.url, tmp_path) as served:
        letta.add_agent("Milo")
        async with post(served, "@@slow:100000@@", stream=True) as answer:
            given = await first_frame(answer)
            while b"w1" not in await answer.content.readline():
                pass
            answer.close()
        async with asyncio.timeout(10):
            second = await response_of(served, "two", previous_response_id=given)
        assert second["status"] == "completed"
        first = await found(served, given)
        assert first["status"] == "cancelled"
        assert said_in(first).startswith("w0 w1 ")


async def test_one_that_is_read(tmp_path: Path) -> None:
    """Who follows it does not stop it for those who read it."""
    go = asyncio.Event()
    script: list[Step] = [ping(), text("one"), go, stop()]

    def play(body: Any) -> Any:
        return script if body["messages"][-1]["content"] == "one" else said("two")

    async with serving(tmp_path, {"Milo": play}) as served:
        async with post(served, "one", stream=True) as answer:
            given = await first_frame(answer)
            follow = response_of(served, "two", previous_response_id=given)
            following = asyncio.create_task(follow)
            await served.letta.busy.wait()
            go.set()
            assert b"response.completed" in await answer.read()
        assert said_in(await following) == "two"


async def test_one_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for without end."""
    monkeypatch.setattr(chain, "WAIT_SECONDS", 0.05)
    script: list[Step] = [ping(), text("one"), asyncio.Event()]
    async with serving(tmp_path, {"Milo": script}) as served:
        running = await response_of(served, "one", background=True)
        follow = post(served, "two", previous_response_id=running["id"])
        status, wrong = await error_of(follow)
    assert (status, wrong["code"]) == (409, "response_in_progress")


async def test_one_that_nobody_saw_the_end_of(tmp_path: Path) -> None:
    """When its gateway was killed and even its stream is gone, the agent still remembers."""
    async with serving(tmp_path, {"Milo": echo}) as served:
        streams = served.gateway.app[STREAMS]
        first = await response_of(served, "one")
        token = first["id"][5:37]
        await until(lambda: not streams._running._journals)
        await streams.forget(token, Caller())
        ours = kept.Kept(streams, Ids(b"", ""), Caller(), 60.0)
        record = await ours.read(token)
        assert record is not None
        await ours.write(token, attrs.evolve(record, body=None))
        second = await response_of(served, "two", previous_response_id=first["id"])
        assert said_in(second) == "two "
        assert told(served)[-1] == [("user", "two")]


async def test_references(tmp_path: Path) -> None:
    """An item may stand for what it refers to; thoughts of the agent's own say nothing."""
    async with serving(tmp_path, {"Milo": echo}) as served:
        first = await response_of(served, "one")
        item = first["output"][0]["id"]
        items = [
            {"role": "user", "content": "one"},
            {"type": "item_reference", "id": item},
            {"role": "user", "content": "two"},
        ]
        second = await response_of(served, items)
        assert told(served)[-1] == [("user", "one"), ("assistant", "one "), ("user", "two")]
        third = await response_of(served, "three", previous_response_id=second["id"])
        assert said_in(third) == "three "


@pytest.mark.parametrize("given", ["msg_1", "msg_" + "0" * 36, "", "msg_" + "/" * 40])
async def test_references_to_nothing(tmp_path: Path, given: str) -> None:
    """A 400 names the place."""
    items = [{"type": "item_reference", "id": given}, {"role": "user", "content": "Hi"}]
    async with serving(tmp_path, {"Milo": echo}) as served:
        status, wrong = await error_of(post(served, items))
    assert (status, wrong["code"], wrong["param"]) == (400, "item_not_found", "input.[0].id")


@pytest.mark.parametrize("named", ["my-chat", {"id": "my-chat"}])
async def test_a_conversation(tmp_path: Path, named: Any) -> None:
    """Whatever it is called, it goes on: only what is new is sent."""
    async with serving(tmp_path, {"Milo": echo}) as served:
        await response_of(served, "one", conversation=named)
        second = await response_of(served, "two", conversation=named)
        assert second["conversation"] == {"id": "my-chat"}
        third = await response_of(served, "three", previous_response_id=second["id"])
        assert said_in(third) == "three "
        assert told(served) == [[("user", each)] for each in ("one", "two", "three")]
        assert len(served.letta.conversations) == 1


async def test_a_conversation_shared_with_chat_completions(tmp_path: Path) -> None:
    """A name is the same on all surfaces."""
    async with serving(tmp_path, {"Milo": echo}) as served:
        await response_of(served, "one", conversation="chat")
        history = [
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "one "},
            {"role": "user", "content": "two"},
        ]
        body = {"model": "Milo", "messages": history, "conversation": "chat"}
        async with served.post(body) as answer:
            assert answer.status == 200
        await response_of(served, "three", conversation="chat")
        assert told(served) == [[("user", each)] for each in ("one", "two", "three")]


async def test_a_chat_named_by_a_header(tmp_path: Path) -> None:
    """Who names one resends the history, as with chat completions; what is new is sent."""
    chat = {"headers": {"X-Letta-Chat-Key": "chat"}}
    history = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "one "},
        {"role": "user", "content": "two"},
    ]
    async with serving(tmp_path, {"Milo": echo}) as served:
        await response_of(served, "one", **chat)
        await response_of(served, history, **chat)
        assert told(served) == [[("user", "one")], [("user", "two")]]
        assert len(served.letta.conversations) == 1


async def test_a_chat_named_in_the_metadata(tmp_path: Path) -> None:
    """There, too; and a response of it can be followed in it."""
    chat = {"metadata": {"chat_id": "chat"}}
    async with serving(tmp_path, {"Milo": echo}) as served:
        first = await response_of(served, "one", **chat)
        await response_of(served, "two", previous_response_id=first["id"], **chat)
        assert told(served) == [[("user", "one")], [("user", "two")]]
        assert len(served.letta.conversations) == 1


async def test_a_long_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is followed is kept for as long as what follows it, however old it is."""
    now = 1000.0
    monkeypatch.setattr(kept.time, "time", lambda: now)
    server = {"response_days": 1}
    async with serving(tmp_path, {"Milo": echo}, server=server) as served:
        last = await response_of(served, "0")
        first = last
        for i in range(1, 8):
            now += 86400 / 4
            last = await response_of(served, str(i), previous_response_id=last["id"])
        token = first["id"][5:37]
        store = served.gateway.store
        record = await store.read(f"/responses/anonymous/{token}")
        assert record is not None
        assert float(record.rpartition(b'"stored":')[2].strip(b"}")) > 1000.0


async def test_a_client_that_leaves_is_no_reason_to_forget(tmp_path: Path) -> None:
    """A response is kept from its first frame on."""
    go = asyncio.Event()
    script: list[Step] = [ping(), text("one"), go, stop()]

    def play(body: Any) -> Any:
        return script if body["messages"][-1]["content"] == "one" else said("two")

    async with serving(tmp_path, {"Milo": play}) as served:
        async with post(served, "one", stream=True) as answer:
            given = await first_frame(answer)
            answer.close()
        go.set()
        second = await response_of(served, "two", previous_response_id=given)
        assert said_in(second) == "two"
        assert told(served)[-1] == [("user", "two")]
