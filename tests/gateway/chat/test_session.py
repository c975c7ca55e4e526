from __future__ import annotations

import asyncio
import io
from contextlib import suppress

import pytest
from rich.console import Console

from gateway.chat.client import Unanswered, connected
from gateway.chat.screen import Screen
from gateway.chat.session import Session


@pytest.fixture(name="session")
async def _session(gateway):
    async with connected(gateway.url, "") as client:
        yield Session(client, "Milo", "chat-1", Screen(Console(file=io.StringIO())))


async def test_the_history_grows(session):
    """Question and answer are sent along with the next question, which goes on there."""
    await session.ask("My name is Ada.")
    await session.ask("What is my name?")

    assert [message["role"] for message in session.messages] == ["user", "assistant"] * 2
    assert session.messages[-1]["content"] == "Your name is Ada."


async def test_it_is_one_conversation(session, demo):
    """Letta is told each time what is new, and nothing twice."""
    await session.ask("My name is Ada.")
    await session.ask("Hello")

    assert len(demo.conversations) == 1
    sent = [each.body for each in demo.requests if "messages" in (each.body or {})]
    assert [message["content"] for body in sent for message in body["messages"]] == [
        "My name is Ada.",
        "Hello",
    ]


async def test_an_error_leaves_no_trace(session):
    """What was not answered is asked anew by whoever wants to."""
    session.model = "Busy"
    with pytest.raises(Unanswered):
        await session.ask("Hi")

    assert session.messages == []


async def test_a_stopped_answer_is_as_long_as_it_is(session, demo):
    """What has come of it has been said."""
    asking = asyncio.create_task(session.ask("What can you do?"))
    await demo.run()
    async with asyncio.timeout(30):
        while "These" not in session.screen.console.file.getvalue():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking

    question, answer = session.messages
    assert question["content"] == "What can you do?"
    assert answer["content"].startswith("These")
    assert "Echo" not in answer["content"]
