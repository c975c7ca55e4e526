"""Connections that are not the recommended one."""

from __future__ import annotations

import pytest

from tests.openwebui.marks import ON_STAGE
from tests.openwebui.page import TOOL, Page
from tests.openwebui.scripts import turn
from tests.openwebui.stage import ACTOR, BARE, FORWARDED, RESPONSES, TASK, Stage


pytestmark = ON_STAGE


async def test_without_headers(stage: Stage, page: Page) -> None:
    """Chats work: the agent is told the history each time. Tools are not shown, tasks are known."""
    await page.new_chat(f"{BARE}.Weather")
    await page.say("What is the weather in Oslo?")
    assert await page.say("And in Bergen?") == "In Bergen it is 13 degrees and sun right now."

    await page.shows("*", "Thought for")
    assert await page.tab.locator(TOOL).count() == 0
    asked = stage.asked("And in Bergen?")
    texts = [message["content"] for message in asked]
    assert [message["role"] for message in asked] == ["user", "assistant", "user"]
    assert "What is the weather in Oslo?" in str(texts[0])
    await stage.forgets("Bergen")  # that conversation was for one request


async def test_forwarded_user_info(stage: Stage, page: Page) -> None:
    """What Open WebUI can send of its own names the chat; the history tells the branch."""
    await page.new_chat(f"{FORWARDED}.{ACTOR}")
    await page.say("uno")
    await page.say("due")
    first, second = turn("uno"), turn("due")
    assert stage.told("uno") == [[*first, *second]]

    await page.try_again()
    assert stage.told("uno") == [[*first, *second], [*first, *second]]
    assert await page.edit("tre") == "You said: tre"
    assert stage.told("uno")[2:] == [[*first, *turn("tre")]]
    await stage.forgets(TASK)


async def test_responses(stage: Stage, page: Page) -> None:
    """By OpenAI's Responses API it is the same: reasoning, tools, one conversation."""
    await page.new_chat(f"{RESPONSES}.Weather")
    await page.say("What is the weather in Turin?")
    assert await page.say("And in Genoa?") == "In Genoa it is 33 degrees and sun right now."
    await page.shot("responses")

    await page.shows("*", "Explored")
    [conversation] = stage.told("Turin")
    assert [text for role, text in conversation if role == "user"] == [
        "What is the weather in Turin?",
        "And in Genoa?",
    ]
    await stage.forgets(TASK)


@pytest.mark.parametrize("prefix", [BARE, RESPONSES])
async def test_errors(prefix: str, stage: Stage, page: Page) -> None:
    """Errors are boxes there, too."""
    await page.new_chat(f"{prefix}.{ACTOR}")
    await page.send("@@err429@@")
    assert (await page.error()).startswith("Rate limit exceeded")
