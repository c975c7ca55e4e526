"""A turn that Letta has kept, although what it was asked beside that has failed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import attrs
import pytest

from gateway.call import Call, Tool, ToolChoice
from gateway.events import Error, Event
from gateway.plugin import Context, Plugin, Turn
from gateway.testing.fakeletta import Ask, FakeLetta, Fault, Step
from plugins import response_format, tool_bridge
from tests.plugins.client import Client, ending, said
from tests.plugins.house import House, built


MESSAGES = r"^/v1/conversations/[^/]+/messages$"
BUSY = Fault(
    status=409,
    body={"detail": {"code": "CONVERSATION_BUSY", "message": "Another request is being processed"}},
)
GONE = Fault(status=404, body={"detail": "Conversation not found"})

# What goes wrong when the agent is asked once more, and what the client is told.
WRONG: list[tuple[str, Step | Fault | None, str]] = [
    ("429", Step(status=429), "rate_limit_exceeded"),
    ("500", Step(status=500), "upstream_model_error"),
    ("model-drops", Step("partly", n=2, breaks="drop", after=1), "upstream_error"),
    ("letta-drops", Fault(then="drop", after=2), "upstream_incomplete"),
    ("letta-502", Fault(status=502), "upstream_error"),
    ("busy", BUSY, "conversation_busy"),
    ("unreachable", None, "upstream_unreachable"),
]


@attrs.define
class Between(Turn):
    """When Letta is to be asked once more, this goes wrong."""

    letta: FakeLetta
    wrong: Step | Fault | None
    away: AsyncExitStack

    async def again(self, call: Call, ending: object) -> Call | None:
        if self.wrong is None:
            await self.away.enter_async_context(self.letta.refused())
        elif isinstance(self.wrong, Fault):
            self.letta.fail(self.wrong, path=MESSAGES, method="POST", times=1)
        return None


@attrs.define
class Goes(Plugin[None]):
    """Lets it go wrong once, until `back`."""

    letta: FakeLetta
    wrong: Step | Fault | None
    back: AsyncExitStack = attrs.field(factory=AsyncExitStack)
    _over: bool = False

    def begin(self, context: Context) -> Turn:
        if self._over:
            return Turn()
        self._over = True
        return Between(self.letta, self.wrong, self.back)


@asynccontextmanager
async def asked_twice(wrong: Step | Fault | None) -> AsyncIterator[tuple[House, Goes]]:
    """An agent that never does as it is told; when it is told once more, this goes wrong."""
    async with FakeLetta() as letta:
        asked: list[Ask] = []

        def script(ask: Ask) -> list[Step]:
            asked.append(ask)
            if isinstance(wrong, Step) and len(asked) == 2:
                return [wrong] * 9
            return [Step("as I like")] * 9

        letta.add_agent("Milo", script=script)
        goes = Goes(letta, wrong)
        below: list[Plugin[Any]] = [
            tool_bridge.ToolBridge(tool_bridge.Config()),
            response_format.ResponseFormat(response_format.Config()),
            goes,
        ]
        async with built(letta, below=below) as house, goes.back:
            yield house, goes


@attrs.define
class Demanding(Client):
    """Somebody who wants what the agent does not do."""

    demand: str = ""

    def call(self) -> Call:
        call = super().call()
        if self.demand == "tool_choice":
            tools = (Tool("pay", "Pays", {"type": "object"}),)
            return attrs.evolve(call, tools=tools, choice=ToolChoice("required"))
        if self.demand == "response_format":
            body = {"response_format": {"type": "json_object"}}
            return attrs.evolve(call, body=body, stream=False)
        return call


async def failed(goes: Goes, client: Demanding, code: str) -> list[Event]:
    """A turn whose first answer was kept, and whose second asking failed."""
    events = await client.say("Pay 100.")
    assert ending(events) == code
    await goes.back.aclose()
    return events


@pytest.mark.parametrize("demand", ["response_format", "tool_choice"])
@pytest.mark.parametrize(("name", "wrong", "code"), WRONG, ids=[name for name, *_ in WRONG])
async def test_the_next_turn_does_not_tell_it_again(
    demand: str, name: str, wrong: Step | Fault | None, code: str
) -> None:
    """It is in the conversation already, and nowhere else."""
    async with asked_twice(wrong) as (house, goes):
        client = Demanding(house, "Milo", "k", demand=demand)
        (*_, error) = await failed(goes, client, code)
        assert isinstance(error, Error)
        assert not error.rolled_back
        client.demand = ""
        assert said(await client.say("Thanks.")) == "as I like"
        (chat,) = house.conversations()
        assert await house.told(chat) == ["Pay 100.", "Thanks."]


async def test_whoever_serves_the_next_turn() -> None:
    """That it was kept is written down."""
    async with asked_twice(BUSY) as (house, goes):
        client = Demanding(house, "Milo", "k", demand="response_format")
        await failed(goes, client, "conversation_busy")
        client.demand = ""
        async with client.restarted() as anew:
            await client.say("Thanks.")
            (chat,) = anew.conversations()
            assert await anew.told(chat) == ["Pay 100.", "Thanks."]


async def test_a_conversation_that_is_deleted_meanwhile() -> None:
    """The next turn begins anew, as in any chat whose conversation is gone."""
    async with asked_twice(GONE) as (house, goes):
        client = Demanding(house, "Milo", "k", demand="response_format")
        await failed(goes, client, "conversation_not_found")
        await house.api.delete_conversation(house.conversations()[0])
        client.demand = ""
        await client.say("Thanks.")
        assert await house.told(house.conversations()[-1]) == ["Pay 100.", "Thanks."]
