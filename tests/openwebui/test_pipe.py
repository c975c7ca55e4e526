"""The pipe of deploy/openwebui, pasted into a real Open WebUI."""

from __future__ import annotations

from tests.openwebui.marks import ON_STAGE
from tests.openwebui.page import STATUS, Page
from tests.openwebui.scripts import STORY, TOO_MUCH, WEATHER
from tests.openwebui.stage import PIPE, TASK, Stage


pytestmark = ON_STAGE


async def test_an_answer(stage: Stage, page: Page) -> None:
    """Thinking, then the tool that is used, then the text; each user has an agent."""
    own = await stage.own_agent(stage.ada)
    await page.new_chat(PIPE)
    await page.send(WEATHER)
    await page.shows(STATUS, "Thinking...")
    await page.shot("pipe-thinking")
    await page.shows(STATUS, "Using look_up_weather...")
    await page.shot("pipe-tool")
    assert await page.answered() == "It is **sunny** in Rome."
    await page.shows(STATUS, "Used look_up_weather")
    await page.shows("strong", "sunny")
    await page.shot("pipe-answer")

    statuses = (await page.stored())["statusHistory"]
    assert statuses[-1]["done"] is True
    async with stage.page(stage.bob) as other:
        await other.new_chat(PIPE)
        assert await other.say("it is me, bob") == "You said: it is me, bob"
    hers = [each.agent for each in stage.conversations(WEATHER)]
    [his] = [each.agent for each in stage.conversations("it is me, bob")]
    assert own in hers
    assert his not in hers
    await stage.forgets(TASK)


async def test_stop(stage: Stage, page: Page) -> None:
    """The run is cancelled at Letta, and the status says that it was stopped."""
    await stage.own_agent(stage.ada)
    await page.new_chat(PIPE)
    await page.send(STORY)
    await page.shows("p", "once upon a time, once")
    run = stage.running()

    await page.stop()
    assert await stage.over(run) == "cancelled"
    await page.shows(STATUS, "Stopped")
    await page.shot("pipe-stopped")
    assert (await page.stored())["statusHistory"][-1]["done"] is True


async def test_an_error(stage: Stage, page: Page) -> None:
    """It is said in words for people."""
    await stage.own_agent(stage.ada)
    await page.new_chat(PIPE)
    await page.send(TOO_MUCH)

    said = "The assistant has too much to do right now. Please try again in a moment."
    assert await page.error() == said
    await page.shot("pipe-error")
