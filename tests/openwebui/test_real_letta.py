"""The same over a real Letta."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer
from tests.openwebui.marks import ON_STAGE
from tests.openwebui.page import TOOL
from tests.openwebui.server import Connection
from tests.openwebui.stage import HEADERS, KEY, Stage, gateway_over
from tests.real.behind import Behind
from tests.real.scripts import does, does_all


pytestmark = [ON_STAGE, pytest.mark.letta]

PREFIX = "real"


def look_up_weather(city: str) -> str:
    """
    Tell the weather of a city.

    Args:
        city (str): The city.
    """
    return f"21 degrees in {city}"


async def test_a_chat(
    stage: Stage, letta_server: LettaServer, make_agent: MakeAgent, tmp_path: Path
) -> None:
    """Thoughts, a tool, the answer and Stop; the conversation at Letta is what one sees."""
    agent = make_agent("Real", tools=[look_up_weather])
    use = {"name": "look_up_weather", "args": {"city": "Rome"}}
    asked = does_all({"reason": "I look it up.", "tools": [use]}, {"text": "It is **sunny**."})
    endless = does(text="word " * 2000, n=5, delay=0.05)
    behind = Behind(letta_server.client)

    async with gateway_over(letta_server.url, tmp_path / "gateway") as gateway:
        real = Connection(f"{gateway.url}/v1", KEY, PREFIX, HEADERS)
        await stage.ui.connect(stage.ada, [*stage.connections, real])
        async with stage.page() as page:
            await page.new_chat(f"{PREFIX}.Real")
            assert await page.say(asked) == "It is **sunny**."
            await page.shows("*", "Explored")
            await page.tab.get_by_text("Explored").click()
            await page.shows(TOOL, "look_up_weather")
            await page.shot("real-letta")

            await page.send(endless)
            await page.shows("p", "word word word")
            await page.stop()
            await behind.ended(agent.id, "cancelled")

            assert await page.say("one more") == "You said: one more"
        await stage.ui.connect(stage.ada, stage.connections)

    chats = [behind.said(each) for each in behind.conversations(agent.id)]
    [chat] = [chat for chat in chats if ("user", asked) in chat]
    assert [text for role, text in chat if role == "user"] == [asked, endless, "one more"]
    assert not any("<chat_history>" in text for chat in chats for _, text in chat)
