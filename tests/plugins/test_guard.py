"""Limits on what a client may send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from gateway import config
from gateway.call import Call, Image, Message, Text, Tool, ToolCall
from gateway.errors import ConfigError
from gateway.testing.fakeletta import FakeLetta
from gateway.testing.kit import context
from plugins.guard import LEFT_OUT, Config, Guard
from plugins.guarding.rules import Rule
from tests.gateway.serving import over
from tests.plugins.client import assistant, refusal, system, user


BOMB = Rule("weapons", "bomb")
CARD = Rule("card number", r"\d{13,16}", "mask", mask="[card]")


def tool(text: str) -> Message:
    return Message("tool", (Text(text),), tool_call_id="c1")


async def passed(settings: Config, *messages: Message, tools: int = 0) -> list[Message]:
    """The messages, as those below are told them."""
    offered = tuple(Tool(f"tool_{i}") for i in range(tools))
    call = Call("Milo", messages, tools=offered)
    return list((await Guard(settings).begin(context()).prepare(call)).messages)


async def refused(settings: Config, *messages: Message, tools: int = 0) -> tuple[str, str | None]:
    """The code of the refusal, and the field at fault."""
    reject = await refusal(passed(settings, *messages, tools=tools))
    assert (reject.status, reject.type) == (400, "invalid_request_error")
    return reject.code, reject.param


async def test_defaults() -> None:
    """What people send passes, the same objects."""
    messages = [system("Be kind."), user("Hi"), assistant("Hello"), user("x" * 100_000)]
    out = await passed(Config(), *messages, tools=128)
    assert all(mine is theirs for mine, theirs in zip(out, messages, strict=True))


@pytest.mark.parametrize("message", [user("x" * 11), tool("x" * 11), system("x" * 11)])
async def test_long_messages(message: Message) -> None:
    """A message that is too long is refused, and its place named."""
    settings = Config(message_characters=10)
    code = await refused(settings, user("Hi"), message)
    assert code == ("message_too_long", "messages.[1].content")
    assert await passed(settings, user("x" * 10))


async def test_the_assistant_may_say_much() -> None:
    """Its own words come back with the history; nobody can make them shorter."""
    messages = [user("Hi"), assistant("x" * 99), user("And?")]
    assert await passed(Config(message_characters=10), *messages) == messages


async def test_too_many() -> None:
    """Messages, tools and images are counted."""
    image = Message("user", (Image("image/png", "aGk="),) * 3)
    assert await refused(Config(messages=1), user("a"), user("b")) == (
        "too_many_messages",
        "messages",
    )
    assert await refused(Config(tools=2), user("a"), tools=3) == ("too_many_tools", "tools")
    assert await refused(Config(images=2), user("a"), image) == (
        "too_many_images",
        "messages.[1].content",
    )
    assert await passed(Config(messages=0, tools=0, images=0), image, tools=200) == [image]


async def test_rules_refuse() -> None:
    """What a rule forbids is refused; the client is told the rule, and not what was found."""
    reject = await refusal(passed(Config(rules=[BOMB]), user("Hi"), user("a bomb")))
    assert (reject.code, reject.param) == ("input_refused", "messages.[1].content")
    assert reject.message == "The message is refused: weapons."


async def test_rules_mask() -> None:
    """What is masked is masked in every message, whoever is said to have said it."""
    number = "4111111111111111"
    roles = [system(number), user(number), assistant(number), user("Hi"), tool(number)]
    out = await passed(Config(rules=[BOMB, CARD]), *roles)
    assert [message.text for message in out] == ["[card]", "[card]", "[card]", "Hi", "[card]"]


@pytest.mark.parametrize(
    "old",
    [
        user("a bomb"),
        user("x" * 99),
        assistant("a bomb"),
        tool("a bomb"),
        Message("assistant", (), tool_calls=(ToolCall("c1", "make", '{"it":"bomb"}'),)),
        Message("user", (Image("image/png", "aGk="),) * 3),
    ],
)
async def test_a_refusal_does_not_end_the_chat(old: Message) -> None:
    """What was refused before is left out of the history; what is said now passes."""
    settings = Config(message_characters=20, images=2, rules=[BOMB])
    first, last = await passed(settings, old, user("Something else"))
    left = attrs.evolve(old, parts=(Text(LEFT_OUT),), tool_calls=())
    assert (first, last) == (left, user("Something else"))


async def test_nothing_of_it_is_left() -> None:
    """Names, and the ids that were refused, are left out with the text."""
    old = [
        Message("user", (Text("Hi"),), name="bomb"),
        Message("tool", (Text("Hi"),), tool_call_id="bomb"),
    ]
    out = await passed(Config(rules=[BOMB]), *old, user("Something else"))
    assert "bomb" not in str(out)
    assert [message.text for message in out[:2]] == [LEFT_OUT] * 2


async def test_results_of_tools_are_new() -> None:
    """What a tool found after the user has spoken is refused like the user's own words."""
    call = Message("assistant", (), tool_calls=(ToolCall("c1", "read", "{}"),))
    said = [user("Read it"), call, tool("a bomb")]
    assert await refused(Config(rules=[BOMB]), *said) == ("input_refused", "messages.[2].content")


async def test_nobody_has_said_anything() -> None:
    """Without a user's message all that is not the assistant's is new."""
    assert await refused(Config(rules=[BOMB]), assistant("Hi"), tool("bomb")) == (
        "input_refused",
        "messages.[1].content",
    )
    assert await passed(Config(rules=[BOMB])) == []


# In the file, and over a Letta.

FILE = """\
pipeline:
  - use: guard
    config:
      images: -1
      rules:
        - {name: cards, pattern: '\\d{16}', action: mask}
        - {name: more, pattern: '(', actions: mask}
        - {name: all, pattern: 'a*', action: hide}
"""


def test_mistakes_have_their_place(tmp_path: Path) -> None:
    """Each mistake in the settings is told with its line, those in patterns too."""
    path = tmp_path / "gateway.yaml"
    path.write_text(FILE)
    with pytest.raises(ConfigError) as caught:
        config.load(path, environ={})
    told = {(p.line, p.path.rpartition("config.")[2]): p.what for p in caught.value.problems}
    assert told.keys() == {
        (4, "images"),
        (7, "rules[1].pattern"),
        (7, "rules[1].actions"),
        (8, "rules[2].pattern"),
        (8, "rules[2].action"),
    }
    assert told[7, "rules[1].pattern"].startswith("is no pattern of RE2's")
    assert told[8, "rules[2].pattern"] == "matches the empty text, and so every text"


def test_names_are_told_apart() -> None:
    """Two rules of one name would tell nobody which of them it was."""
    with pytest.raises(ValueError, match="two rules have the name 'weapons'"):
        Config(rules=[BOMB, BOMB])


def body(*said: str) -> Any:
    return {"model": "Milo", "messages": [{"role": "user", "content": text} for text in said]}


async def test_over_letta(tmp_path: Path) -> None:
    """What is refused never reaches Letta; what is masked reaches it with the mask."""
    rules = [{"name": "weapons", "pattern": "bomb"}, attrs.asdict(CARD)]
    use = ["agent_resolver", "conversation_resolver"]
    pipeline = [{"use": "guard", "config": {"rules": rules}}, *({"use": name} for name in use)]
    async with FakeLetta() as letta:
        letta.add_agent("Milo")
        async with over(letta.url, tmp_path, pipeline=pipeline) as gateway:
            async with gateway.post(body("a bomb")) as response:
                assert response.status == 400
                assert (await response.json())["error"]["param"] == "messages.[0].content"
            assert not letta.runs
            async with gateway.post(body("a bomb", "4111111111111111")) as response:
                assert response.status == 200
    sent = [request.body for request in letta.requests if request.path.endswith("/messages")]
    assert "bomb" not in str(sent)
    assert "4111" not in str(sent)
    assert "[card]" in str(sent)
