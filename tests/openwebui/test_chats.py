"""Chats at Letta: whatever people do with a chat, the agent knows just what they see of it."""

from __future__ import annotations

from tests.openwebui.marks import ON_STAGE
from tests.openwebui.page import REPLY, Page, until
from tests.openwebui.scripts import STORY, TITLE, turn
from tests.openwebui.stage import ACTOR, TASK, Stage


pytestmark = ON_STAGE


async def test_regenerate_edit_continue_fork(stage: Stage, page: Page) -> None:
    """Each branch of a chat is a conversation of its own, in which only that branch was said."""
    await page.new_chat(ACTOR)
    await page.say("first")
    await page.say("second")
    one, two = turn("first"), turn("second")
    assert stage.told("first") == [[*one, *two]]

    await page.try_again()
    assert stage.told("first") == [[*one, *two], [*one, *two]]

    assert await page.try_again("More Concise") == "You said: More Concise"
    assert stage.told("first")[2:] == [[*one, *two, *turn("More Concise")]]

    assert await page.edit("third") == "You said: third"
    three = turn("third")
    assert stage.told("first")[3:] == [[*one, *three]]

    assert await page.go_on() == "You said: thirddone"
    assert stage.told("third")[-1] == [*one, *three, ("assistant", "done")]
    await page.shot("branches")

    await page.fork()
    assert await page.say("fourth") == "You said: fourth"
    [*forked] = stage.told("fourth")[0]
    assert forked == [
        *one,
        ("user", "third"),
        ("assistant", "You said: thirddone"),
        *turn("fourth"),
    ]


async def test_stop(stage: Stage, page: Page) -> None:
    """Stop ends the run at Letta; what was said stays, and the chat goes on."""
    await page.new_chat(ACTOR)
    await page.send(STORY)
    await page.shows("p", "once upon a time, once")
    run = stage.running()

    await page.stop()
    assert await stage.over(run) == "cancelled"
    assert (await page.answered()).startswith("once upon a time, once")
    await page.shot("stopped")
    assert await page.say("go on") == "You said: go on"


async def test_two_models(stage: Stage, page: Page) -> None:
    """Two agents in one chat answer side by side, each in conversations of its own."""
    await page.new_chat("Echo", ACTOR)
    await page.send("both")
    await page.answered()
    replies = page.tab.locator(REPLY)
    await until(replies.all_inner_texts, lambda texts: texts == ["You said: both"] * 2)
    await page.shot("two-models")

    assert stage.told("both") == [turn("both"), turn("both")]
    assert {each.agent.name for each in stage.conversations("both")} == {"Echo", ACTOR}


async def test_temporary_chats(stage: Stage, page: Page) -> None:
    """Within one the agent remembers; the next in the same tab knows nothing of it."""
    await page.new_chat(ACTOR, temporary=True)
    for said in ("whisper one", "whisper two"):
        await page.send(said)
        await page.shows("p", f"You said: {said}")
    await page.shot("temporary")
    assert stage.told("whisper one") == [[*turn("whisper one"), *turn("whisper two")]]

    await page.another_chat()
    await page.send("whisper three")
    await page.shows("p", "You said: whisper three")
    assert stage.told("whisper three") == [turn("whisper three")]


async def test_titles_and_tags(stage: Stage, page: Page) -> None:
    """A chat has its title and suggestions from the agent, whose memory of it they never enter."""
    await page.new_chat(ACTOR)
    await page.say("remember this")
    stored = await page.until_stored(lambda message: bool(message.get("followUps")))
    assert stored["followUps"] == ["And then?"]
    await page.tab.get_by_text("And then?").wait_for()
    await until(lambda: stage.ui.chat(stage.ada, page.chat), lambda chat: chat["title"] == TITLE)
    await page.shot("title")

    assert stage.told("remember this") == [turn("remember this")]
    await stage.forgets(TASK)


async def test_two_users(stage: Stage, page: Page) -> None:
    """The same words to the same agent are two conversations; nobody gets into another's chat."""
    await page.new_chat(ACTOR)
    await page.say("hush")
    async with stage.page(stage.bob) as other:
        await other.new_chat(ACTOR)
        await other.say("hush")
    assert stage.told("hush") == [turn("hush"), turn("hush")]

    intruding = {
        "model": ACTOR,
        "chat_id": page.chat,
        "stream": False,
        "messages": [{"role": "user", "content": "intruder"}],
    }
    status, said = await stage.ui.tried(stage.bob, "POST", "/api/chat/completions", intruding)
    assert status == 404, said
    assert stage.told("hush") == [turn("hush"), turn("hush")]
