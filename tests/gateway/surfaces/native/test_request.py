from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import Image, Message, Text
from gateway.errors import Reject
from gateway.surfaces.native.request import Manner, parse
from gateway.thread import Thread


SAID = {"agent": "Milo", "message": "Hello"}


def parsed(**body):
    return parse(body, {"x-a": "b"}, stream=True)


def refused(body) -> tuple[str, str | None]:
    with pytest.raises(Reject) as caught:
        parse(body, {}, stream=False)
    assert caught.value.status == 400
    return caught.value.code, caught.value.param


def test_a_message():
    """An agent and a message are all that is needed."""
    read = parsed(**SAID)
    call = read.call
    assert (call.model, call.messages) == ("Milo", (Message("user", (Text("Hello"),)),))
    assert (call.stream, call.headers, call.reply.ignored) == (True, {"x-a": "b"}, ())
    assert (read.manner, read.title) == (Manner(), "")


def test_the_agents_id_goes_before_its_name():
    """Who names both means the id."""
    assert parsed(**SAID, agent_id="agent-1").call.model == "agent-1"


@pytest.mark.parametrize(("sent", "chat"), [("chat-1", "chat-1"), (7, "7"), (None, ""), ("", "")])
def test_a_chat(sent, chat):
    """A chat has the name that the client gives it; what it says there is only what is new."""
    read = parsed(**SAID, chat_id=sent)
    assert read.manner.chat == chat
    assert read.call.thread == Thread(chat, only_new=True)


def test_a_chat_is_named_in_one_way():
    """The fields that OpenAI's clients name a chat by mean nothing here."""
    read = parsed(**SAID, metadata={"chat_id": "x"}, conversation="y")
    assert read.call.thread.chat == ""
    assert not {"conversation", "metadata"} & set(read.call.body)


def test_a_title():
    """A title is one line, and not too long."""
    assert parsed(**SAID, chat_title=" About\n Ada ").title == "About Ada"
    assert parsed(**SAID, chat_title="a\x00b\x1b[1m\x85").title == "a b [1m"
    assert len(parsed(**SAID, chat_title="x" * 999).title) == 200


def test_how_it_is_shown():
    """Thinking can be left out, and more be asked for; others who read it know that."""
    read = parsed(**SAID, chat_id="c", enable_thinking=False, events="full")
    assert read.manner == Manner("c", thinking=False, full=True)
    assert Manner.of(read.manner.facts) == read.manner
    assert read.call.body["enable_thinking"] is False


def test_images():
    """A message may be made of parts, as OpenAI's are."""
    url = {"url": "data:image/png;base64,aGk="}
    parts = [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": url}]
    (message,) = parsed(agent="Milo", message=parts).call.messages
    assert message.parts == (Text("Look"), Image("image/png", "aGk="))


def test_what_nothing_reads():
    """Fields that mean nothing here are named."""
    assert parsed(**SAID, temperature=1, n=None).call.reply.ignored == ("temperature",)


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ([], "invalid_type", "body"),
        ({"message": "Hello"}, "missing_model", "agent_id"),
        ({"agent": 7, "message": "Hello"}, "missing_model", "agent"),
        ({"agent": "x" * 600, "message": "Hello"}, "invalid_value", "agent"),
        ({"agent": "Milo"}, "invalid_value", "message"),
        ({"agent": "Milo", "message": ""}, "invalid_value", "message"),
        ({"agent": "Milo", "message": 7}, "invalid_type", "message"),
        (
            {"agent": "Milo", "message": [{"type": "audio"}]},
            "unsupported_content",
            "message.[0].type",
        ),
        (SAID | {"chat_id": True}, "invalid_type", "chat_id"),
        (SAID | {"chat_id": "x" * 600}, "invalid_value", "chat_id"),
        (SAID | {"chat_title": 7}, "invalid_type", "chat_title"),
        (SAID | {"enable_thinking": "false"}, "invalid_type", "enable_thinking"),
        (SAID | {"events": "some"}, "invalid_value", "events"),
        (SAID | {"events": []}, "invalid_value", "events"),
    ],
)
def test_refused(body, code, param):
    """What is missing or wrong is a 400 that names the field."""
    assert refused(body) == (code, param)


def test_too_deep():
    """What is nested without end is refused."""
    deep = {}
    for _ in range(300):
        deep = {"x": deep}
    assert refused(SAID | {"more": deep}) == ("invalid_value", "body")


FIELDS = ("agent", "agent_id", "message", "chat_id", "chat_title", "enable_thinking", "events", "x")
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda within: st.lists(within, max_size=3) | st.dictionaries(st.text(), within, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([{}, SAID]), st.dictionaries(st.sampled_from(FIELDS), VALUES) | VALUES)
def test_anything(said, body):
    """Whatever a body is, it is a request or a 400."""
    whole = {**said, **body} if isinstance(body, dict) else body
    status = 400
    try:
        read = parse(whole, {}, stream=True)
        assert read.call.model
        assert read.title.isprintable() or not read.title.isascii()
    except Reject as exc:
        status = exc.status
    assert status == 400
