from __future__ import annotations

import asyncio

import attrs
import pytest

from gateway.call import Call
from gateway.errors import Reject
from gateway.plugin import Context, NoConfig, Plugin, Turn
from gateway.testing.fakeletta import Fault
from tests.plugins.client import (
    FAILS,
    TALKS_LONG,
    Client,
    ending,
    housed,
    listening,
    refusal,
    system,
)
from tests.plugins.house import until


async def test_stateless_depends_on_what_was_sent() -> None:
    """The agent is shown the client's history, whole and alone, and nothing is left behind."""
    async with housed() as house:
        shown = listening(house)
        client = Client(house, "Milo", messages=[system("Be kind.")])
        await client.say("one")
        await client.say("two")
        await Client(house, "Milo").say("other")
        assert shown == [
            [("system", "Be kind."), ("user", "one")],
            [
                ("system", "Be kind."),
                ("user", "one"),
                ("assistant", "answer 1"),
                ("user", "two"),
            ],
            [("user", "other")],
        ]
        await house.quiet()
        assert house.conversations() == []


async def test_stateless_does_not_touch_the_store() -> None:
    """A plain request without a key costs no operation of the store."""
    async with housed() as house:
        await Client(house, "Milo").say("one")
        await house.quiet()
        assert house.store.done == []


async def test_scratch_is_deleted_after_an_error() -> None:
    """A model that fails leaves no conversation behind."""
    async with housed() as house:
        assert ending(await Client(house, "Milo").say(FAILS)) == "upstream_model_error"
        await house.quiet()
        assert house.conversations() == []


async def test_scratch_is_deleted_when_the_client_leaves() -> None:
    """A client that leaves has its run cancelled, and then the conversation deleted."""
    async with housed() as house:
        await Client(house, "Milo").stop(TALKS_LONG)
        assert house.conversations() == []
        assert [run.status for run in house.letta.runs.values()] == ["cancelled"]


@pytest.mark.parametrize("key", ["", "chat-1"])
@pytest.mark.parametrize("mode", ["stateless", "agent"])
async def test_client_leaves_before_the_conversation_is_there(key: str, mode: str) -> None:
    """A client that leaves while a conversation is being made leaves none behind."""
    async with housed(mode=mode) as house:
        house.letta.fail(Fault(latency=0.1), path="conversations", method="POST")
        request = asyncio.create_task(Client(house, "Milo", key).say("one"))
        await until(lambda: house.requests("POST", "conversations"))
        request.cancel()
        await asyncio.wait([request])
        assert request.cancelled()
        await house.quiet()
        assert len(house.requests("DELETE", "conversations")) == 1
        assert house.conversations() == []


@pytest.mark.parametrize("mode", ["stateless", "agent"])
async def test_conversation_that_cannot_be_noted(mode: str) -> None:
    """If the store fails before a new conversation is noted, it is deleted."""
    async with housed(mode=mode) as house:
        house.store.broken = {"put"}
        key = "chat-1" if mode == "stateless" else ""
        assert (await refusal(Client(house, "Milo", key).say("one"))).code == "store_unavailable"
        await house.quiet()
        assert house.conversations() == []


@attrs.define
class Refuses(Turn):
    """Refuses every request."""

    async def prepare(self, call: Call) -> Call:
        raise Reject(403, "no", "No.")


class Refuser(Plugin[NoConfig]):
    def begin(self, context: Context) -> Turn:
        return Refuses()


@pytest.mark.parametrize("key", ["", "chat-1"])
async def test_plugin_below_refuses(key: str) -> None:
    """A request that another plugin refuses leaves no scratch and holds up nobody."""
    async with housed(below=[Refuser(NoConfig())], wait_seconds=0.0) as house:
        for _ in range(2):
            reject = await refusal(Client(house, "Milo", key).say("one"))
            assert reject.code == "no"
        await house.quiet()
        assert house.conversations("scratch") == []


async def test_scratch_that_cannot_be_deleted() -> None:
    """An answer is not spoilt by a scratch conversation that Letta does not delete."""
    async with housed() as house:
        house.letta.fail(Fault(status=400), path="conversations", method="DELETE")
        assert ending(await Client(house, "Milo").say("one")) == "stop"
        await house.quiet()


async def test_scratch_that_cannot_be_made() -> None:
    """If Letta makes no conversation the client is told why."""
    async with housed() as house:
        house.letta.fail(Fault(status=400), path="conversations", method="POST")
        assert (await refusal(Client(house, "Milo").say("one"))).status == 400
        await house.quiet()
        assert not house.requests("DELETE", "conversations")
