"""What is seen of an answer, and what is stored of it."""

from __future__ import annotations

import re

from tests.openwebui.marks import ON_STAGE
from tests.openwebui.page import ERROR, REPLY, TOOL, Page
from tests.openwebui.scripts import PUZZLE, does
from tests.openwebui.stage import ACTOR


pytestmark = ON_STAGE

WHOLE = (
    "# Title\n\nOne line,\nand the next: 🎉 👩‍👩‍👧‍👦 日本語 naïve.\n\n"
    "| City | `a\\|b` |\n|---|---:|\n"
    '| Paris | **1** |\n| Rome | 2 |\n\n```python\nfor line in "a\\n":\n    print(line)\n```\n\n'
    "- item\n  - sub\n\n1. one\n2. two\n"
)


async def test_reasoning(page: Page) -> None:
    """What the agent thinks is folded above the answer, and no part of it."""
    await page.new_chat(ACTOR)
    await page.send(PUZZLE)
    await page.shows("*", "Thinking")
    await page.shot("thinking")
    assert await page.answered() == "It is a fruit."

    await page.tab.get_by_text(re.compile("^Thought for")).click()
    await page.shows("*", "What is it that we call a fruit?")
    await page.shot("reasoning")


async def test_tools(page: Page) -> None:
    """A tool that the agent runs itself is a card with what went in and came out."""
    await page.new_chat("Weather")
    await page.send("What is the weather in Rome?")
    assert await page.answered() == "In Rome it is 21 degrees and sun right now."

    kinds = [item["type"] for item in (await page.stored())["output"]]
    assert kinds == ["reasoning", "function_call", "function_call_output", "message"]
    await page.tab.get_by_text("Explored").click()
    await page.shows(TOOL, "look_up_weather")
    await page.tab.locator(TOOL).last.get_by_role("button").first.click()
    await page.shows(TOOL, "21 degrees and sun")
    await page.shot("tool")


async def test_a_tool_that_fails(page: Page) -> None:
    """It is shown as failed, and is not tried by Open WebUI; the answer goes on."""
    await page.new_chat(ACTOR)
    use = {"name": "look_up_weather", "args": {"no": "city"}}
    said = await page.say(does({"tools": [use]}, {"text": "It **failed**."}))

    assert said == "It **failed**."
    _, result, *_ = [each for each in (await page.stored())["output"] if "call_id" in each]
    assert result["status"] == "failed"
    assert "look_up_weather" in result["output"][0]["text"]


async def test_an_answer_is_whole(page: Page) -> None:
    """Tables, line breaks, code and emoji are as they were said, after a reload, too."""
    await page.new_chat(ACTOR)
    assert await page.say(does({"text": WHOLE, "n": 3})) == WHOLE.rstrip()

    for selector, text in (
        ("h1", "Title"),
        ("th", "a|b"),
        ("td", "Paris"),
        ("td strong", "1"),
        ("li li", "sub"),
        ("ol li", "two"),
        ("p", "🎉 👩‍👩‍👧‍👦 日本語 naïve."),
    ):
        await page.shows(selector, text)
    await page.shows(".cm-content", 'for line in "a\\n":')
    assert await page.tab.locator(f"{REPLY} p br").count() == 1
    seen = await page.text()
    await page.shot("markdown")

    await page.reload()
    await page.shows(".cm-content", 'for line in "a\\n":')
    assert await page.text() == seen
    assert (await page.stored())["content"] == WHOLE.rstrip()


async def test_usage(page: Page) -> None:
    """How many tokens it took stands behind the answer's (i)."""
    await page.new_chat("Milo")
    await page.say("Hello")

    usage = (await page.until_stored(lambda message: "usage" in message))["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    await page.tab.wait_for_selector("button[id^=info-]")
    assert await page.tab.locator(ERROR).count() == 0
