"""What becomes of a chat when things go wrong: each test is a story of several requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.errors import Reject
from gateway.testing.fakeletta import Fault
from tests.plugins.client import (
    FAILS,
    FAILS_AFTER_TOOL,
    FAILS_LATE,
    TALKS_LONG,
    USES_TOOL,
    Client,
    ending,
    housed,
    refusal,
    said,
    user,
)
from tests.plugins.house import House, until


MESSAGES = r"^/v1/conversations/[^/]+/messages$"


def sent(house: House) -> list[list[str]]:
    """The texts of each request for an answer."""
    return [
        [message["content"] for message in body["messages"]]
        for body in house.requests("POST", "/messages")
    ]


async def only(house: House) -> list[str]:
    """What the users have said in the one conversation there is."""
    (chat,) = house.conversations()
    return await house.told(chat)


# Turns that fail.


@pytest.mark.parametrize("fails", [FAILS, FAILS_LATE, "@@err429@@", "@@sseerr@@"])
async def test_failed_turn_is_sent_again_with_the_next(fails: str) -> None:
    """A turn that Letta rolled back goes with the next one, once, and then no more."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        assert ending(await client.say(fails)) != "stop"
        assert said(await client.say("three")) == "You said: three"
        await client.say("four")
        assert await only(house) == ["one", fails, "three", "four"]
        texts = [[text for text in request if text in {fails, "three"}] for request in sent(house)]
        assert texts == [[], [fails], [fails, "three"], []]


async def test_partial_answer_goes_with_the_failed_turn() -> None:
    """What the client has seen of an answer that broke off is part of the exchange."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        partial = said(await client.say(FAILS_LATE))
        assert partial
        await client.say("two")
        (chat,) = house.conversations()
        assert await house.heard(chat) == [
            ("user", FAILS_LATE),
            ("assistant", partial),
            ("user", "two"),
            ("assistant", "You said: two"),
        ]


async def test_many_failures_in_a_row() -> None:
    """However often a chat fails, each turn arrives exactly once in the end."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        for _ in range(7):
            await client.say(FAILS)
        await client.say("last")
        assert await only(house) == [*[FAILS] * 7, "last"]


async def test_failed_turn_that_is_edited() -> None:
    """A failed turn that is said otherwise is not sent as it was."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        await client.say(FAILS)
        client.edit(2, "two")
        await client.send()
        assert await only(house) == ["one", "two"]


async def test_failed_turn_that_is_tried_again() -> None:
    """The same turn sent again after a failure arrives once, in the same conversation."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        for _ in range(3):
            client.messages.append(user(FAILS))
            await client.send()
            client.messages.pop()
        await client.say("two")
        assert await only(house) == ["one", "two"]


async def test_cancelled_turn_is_sent_again_with_the_next() -> None:
    """A turn that the client gave up goes with the next one, with the part it has seen."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        partial = await client.stop(TALKS_LONG)
        assert [run.status for run in house.letta.runs.values()][-1] == "cancelled"
        await client.say("three")
        await client.say("four")
        assert await only(house) == ["one", TALKS_LONG, "three", "four"]
        (chat,) = house.conversations()
        assert ("assistant", partial) in await house.heard(chat)


async def test_turn_that_fails_after_a_tool_is_not_sent_again() -> None:
    """Once a tool has run Letta keeps the user's message: it is not said twice."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        assert ending(await client.say(FAILS_AFTER_TOOL)) == "upstream_error"
        await client.say("two")
        assert await only(house) == [FAILS_AFTER_TOOL, "two"]
        assert sent(house)[1] == ["two"]


async def test_turn_that_fails_after_many_tools_is_not_sent_again() -> None:
    """The same after as many steps as Letta takes in one run."""
    fails_late = f'!!{{"steps":[{",".join([USES_TOOL] * 48)},{{"status":500}}]}}!!'
    async with housed() as house:
        client = Client(house, "Milo", "k")
        assert ending(await client.say(fails_late)) == "upstream_error"
        await client.say("two")
        assert await only(house) == [fails_late, "two"]


async def test_turn_cancelled_after_a_tool_is_not_sent_again() -> None:
    """The same when the client leaves after a tool has run."""
    script = f'!!{{"steps":[{USES_TOOL},{{"text":"a b c","n":1,"delay":5}}]}}!!'
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.stop(script)
        assert [run.status for run in house.letta.runs.values()] == ["cancelled"]
        await client.say("two")
        assert await only(house) == [script, "two"]


async def test_run_that_goes_on_without_its_client() -> None:
    """Where runs are not cancelled the turn is kept, and the next waits until it is over."""
    async with housed(cancel_on_leave=False) as house:
        client = Client(house, "Milo", "k")
        client.messages.append(user("@@slow:3@@"))
        async with await house.begin(client.call()) as exchange:
            await anext(aiter(exchange))
        assert said(await client.say("two")) == "You said: two"
        assert await only(house) == ["@@slow:3@@", "two"]


async def test_connection_that_breaks_while_the_run_goes_on() -> None:
    """A turn whose stream broke off is kept by Letta all the same, and not said twice."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        house.letta.fail(Fault(then="drop", after=2), path=MESSAGES, times=1)
        assert ending(await client.say("@@plain@@")) == "upstream_incomplete"
        await house.quiet()
        await client.say("two")
        assert await only(house) == ["@@plain@@", "two"]


async def test_letta_is_away_for_a_while() -> None:
    """What was said while Letta could not be reached arrives with the next turn."""
    async with housed() as house:
        client = Client(house, "Milo", "k")
        await client.say("one")
        async with house.letta.refused():
            assert ending(await client.say("two")) == "upstream_unreachable"
            assert ending(await client.say("three")) == "upstream_unreachable"
        await client.say("four")
        assert await only(house) == ["one", "two", "three", "four"]


# A chat that is busy.


@asynccontextmanager
async def busy(house: House, key: str = "k") -> AsyncIterator[None]:
    """An answer of the chat is under way, until the block ends."""
    client = Client(house, "Milo", key)
    client.messages.append(user(TALKS_LONG))
    async with await house.begin(client.call()) as exchange:
        await anext(aiter(exchange))
        yield
    await house.quiet()


async def test_next_request_waits() -> None:
    """A request that comes during an answer waits for its end, and then gets its own."""
    async with housed() as house:
        async with busy(house):
            waiting = asyncio.create_task(Client(house, "Milo", "k").say("next"))
            await until(lambda: house.store.done.count("lease") == 2)
            assert not waiting.done()
        assert said(await waiting) == "You said: next"


async def test_waiting_has_an_end() -> None:
    """A request that has waited for too long is refused, and not to be retried at once."""
    async with housed(wait_seconds=0.01) as house, busy(house):
        reject = await refusal(Client(house, "Milo", "k").say("next"))
        assert (reject.status, reject.code, reject.retry) == (409, "conversation_busy", False)


async def test_queue_is_bounded() -> None:
    """Of many that wait for one chat, those beyond the queue are refused at once."""
    async with housed(queue=2) as house:
        async with busy(house):
            waiting = [asyncio.create_task(Client(house, "Milo", "k").say("a")) for _ in range(5)]
            await until(lambda: sum(task.done() for task in waiting) == 3)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        refused = [each for each in outcomes if isinstance(each, Reject)]
        assert [each.code for each in refused] == ["conversation_busy"] * 3


async def test_whoever_leaves_the_queue_holds_up_nobody() -> None:
    """A client that leaves while it waits does not get the chat, and those behind it do."""
    async with housed() as house:
        async with busy(house):
            first, second = (
                asyncio.create_task(Client(house, "Milo", "k").say(text)) for text in "ab"
            )
            await until(lambda: house.store.done.count("lease") == 3)
            first.cancel()
        assert said(await second) == "You said: b"
        assert first.cancelled()


@pytest.mark.parametrize("text", ["one", FAILS, FAILS_LATE, FAILS_AFTER_TOOL])
async def test_chat_is_free_after_every_ending(text: str) -> None:
    """However an answer ends, the next request need not wait."""
    async with housed(wait_seconds=0.0) as house:
        client = Client(house, "Milo", "k")
        await client.say(text)
        assert said(await client.say("next")) == "You said: next"


async def test_chat_is_free_after_its_client_left() -> None:
    """A client that leaves gives the chat free once its run is cancelled."""
    async with housed(wait_seconds=0.0) as house:
        client = Client(house, "Milo", "k")
        await client.stop(TALKS_LONG)
        assert said(await client.say("next")) == "You said: next"
