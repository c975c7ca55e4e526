from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from gateway.call import Call, Message, Tool
from gateway.testing.fakeletta import FakeLetta
from plugins.conversations.ui_tasks import is_task
from tests.plugins.client import Client, assistant, ending, said, system, user
from tests.plugins.house import built


HEADER = "X-OpenWebUI-Task"
HISTORY = "### Chat History:\n<chat_history>\nUSER: Hello\nASSISTANT: Hi\n</chat_history>"
TITLE = (
    "### Task:\nGenerate a concise title summarizing the chat history.\n### Guidelines:\n- Keep it"
    ' short.\n### Output:\nJSON format: { "title": "your concise title here" }\n' + HISTORY
)
PROMPTS = {
    "title": TITLE,
    "follow-ups": "### Task:\nPredict 3-5 useful messages this user might send.\n" + HISTORY,
    "tags": "### Task:\nGenerate 1-3 broad tags categorizing the main themes.\n\n" + HISTORY,
    "queries": "### Task:\nAnalyze the chat history to determine the necessity of queries.\n"
    + HISTORY
    + "\n",
}
TOOLS = (
    'You are kind. User is Ada.\nAvailable Tools: [{"name":"weather","description":"Get it",'
    '"parameters":{"type":"object"}}]\n\nYour task is to choose and return the correct tool(s).'
)
DOCUMENT = (
    "### Task:\nRespond to the user query using the provided context, incorporating inline"
    ' citations.\n<context>\n<source id="1" name="notes.txt">The word is plum.</source>\n'
    "</context>\n\nWhat is the secret word?"
)


def call(
    *messages: Message,
    stream: bool = False,
    tools: Sequence[Tool] = (),
    headers: Mapping[str, str] | None = None,
) -> Call:
    return Call("Milo", messages, headers=headers or {}, stream=stream, tools=tuple(tools))


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_known_by_its_form(prompt: str) -> None:
    """One user message that does not stream, begins as a task and quotes the chat is one."""
    assert is_task(call(user(prompt)), HEADER)


def test_known_behind_a_system_prompt() -> None:
    """The system prompt that an administrator gave the model goes with its tasks, too."""
    assert is_task(call(system("You are kind."), user(TITLE)), HEADER)


@pytest.mark.parametrize("asked", ["Query: Weather in Oslo?", "History:\nUSER: Hello\nQuery: Hi"])
def test_choice_of_a_tool(asked: str) -> None:
    """The choice of a tool, asked of the model in words, is a task."""
    assert is_task(call(system(TOOLS), user(asked)), HEADER)


@pytest.mark.parametrize("task", ["title_generation", "anything"])
def test_known_by_the_header(task: str) -> None:
    """A header that is not empty says it outright, whatever the message looks like."""
    marked = call(user("Hello"), stream=True, headers={HEADER.lower(): task})
    assert is_task(marked, HEADER)
    assert not is_task(marked, "X-Other")


@pytest.mark.parametrize(
    "turn",
    [
        call(user("Hello")),
        call(user("Hello"), headers={HEADER.lower(): ""}),
        call(user("Hello"), headers={HEADER.lower(): "{{TASK}}"}),
        call(user(DOCUMENT), stream=True),
        call(user(DOCUMENT)),
        call(user(TITLE), stream=True),
        call(user(TITLE), tools=[Tool("f")]),
        call(user("Hello"), user(TITLE)),
        call(user("Hello"), assistant("Hi"), user(TITLE)),
        call(user("Why does '### Task:' appear in <chat_history>?")),
        call(system(TOOLS), user("Weather in Oslo?")),
        call(system(TOOLS), user("Query: x"), user("Query: y")),
        call(system("Be kind."), user("Query: Weather in Oslo?")),
    ],
)
def test_turns_of_people(turn: Call) -> None:
    """What a person says is no task, a question about a document neither."""
    assert not is_task(turn, HEADER)


@pytest.mark.parametrize("prompt", [*PROMPTS.values(), "by header"])
async def test_task_stays_out_of_the_chat(prompt: str) -> None:
    """A task with the chat's own key is answered apart, and the chat never hears of it."""
    async with FakeLetta(pace=0) as letta, built(letta) as house:
        letta.add_agent("Milo")
        client = Client(house, "Milo", key="chat-1")
        await client.say("Hello")
        headers = {"x-letta-chat-key": "chat-1"}
        if prompt == "by header":
            headers[HEADER.lower()] = "tags_generation"
        events = await house.ask(call(user(prompt), headers=headers))
        assert said(events).startswith("You said")
        await client.say("More")
        await house.quiet()
        (chat,) = house.conversations()
        assert await house.told(chat) == ["Hello", "More"]


async def test_first_task_comes_before_the_chat() -> None:
    """A title that is asked for before the first turn begins no chat, and takes no turn of it."""
    async with FakeLetta(pace=0) as letta, built(letta) as house:
        letta.add_agent("Milo")
        client = Client(house, "Milo", key="chat-1")
        await house.ask(call(user(TITLE), headers={"x-letta-chat-key": "chat-1"}))
        await client.say("Hello")
        await house.quiet()
        (chat,) = house.conversations()
        assert await house.told(chat) == ["Hello"]


async def test_tasks_answered_with_nothing() -> None:
    """If wanted a task is answered {} at once, without a word to Letta or the store."""
    async with FakeLetta(pace=0) as letta, built(letta, tasks="empty") as house:
        letta.add_agent("Milo")
        events = await house.ask(call(user(TITLE), headers={"x-letta-chat-key": "k"}))
        assert json.loads(said(events)) == {}
        assert ending(events) == "stop"
        assert not house.requests("POST", "")
        assert house.store.done == []


async def test_document_is_a_turn() -> None:
    """A question about a document goes to the chat, wrapped as it is."""
    async with FakeLetta(pace=0) as letta, built(letta) as house:
        letta.add_agent("Milo")
        client = Client(house, "Milo", key="chat-1")
        await client.say("Hello")
        await client.say(DOCUMENT)
        (chat,) = house.conversations()
        assert await house.told(chat) == ["Hello", DOCUMENT]


async def test_header_can_be_named() -> None:
    """An operator can name the header that marks tasks."""
    async with FakeLetta(pace=0) as letta, built(letta, task_header="X-Task") as house:
        letta.add_agent("Milo")
        headers = {"x-letta-chat-key": "k", "x-task": "title_generation"}
        await house.ask(call(user("Hello"), headers=headers))
        await house.quiet()
        assert house.conversations() == []
