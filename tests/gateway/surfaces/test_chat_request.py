"""The body of a chat completion becomes a call, or a refusal that names the field."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.call import Text, Tool
from gateway.errors import Reject
from gateway.surfaces.chat_request import ChatRequest, parse


USER = {"role": "user", "content": "Hello"}


def parsed(**fields: Any) -> ChatRequest:
    return parse({"model": "Milo", "messages": [USER], **fields}, {"x-a": "b"})


def refused(body: Any) -> Reject:
    with pytest.raises(Reject) as caught:
        parse(body, {})
    reject = caught.value
    assert reject.status == 400
    assert reject.type == "invalid_request_error"
    assert reject.code
    assert reject.message.endswith(".")
    return reject


def test_the_least_there_is() -> None:
    """A model and a message are enough."""
    chat = parsed()
    assert chat.call.model == "Milo"
    assert [message.parts for message in chat.call.messages] == [(Text("Hello"),)]
    assert chat.call.headers == {"x-a": "b"}
    assert not chat.call.stream
    assert not chat.include_usage
    assert chat.call.reply.ignored == ()


@pytest.mark.parametrize("body", [None, [], "text", 1, True])
def test_a_body_that_is_no_object(body: object) -> None:
    """Any other JSON is refused, and its kind named."""
    assert refused(body).param == "body"


@pytest.mark.parametrize("depth", [199, 200])
def test_a_body_that_is_too_deep(depth: int) -> None:
    """Nobody means that, and nobody could write it down again."""
    body: Any = {"model": "Milo", "messages": [USER]}
    deep: Any = []
    for _ in range(depth // 2 - 1):
        deep = [{"in": deep}]
    if depth % 2:
        assert parse({**body, "deep": deep}, {}).call.body
    else:
        assert refused({**body, "deep": [{"in": deep}]}).param == "body"


@pytest.mark.parametrize("model", [None, "", 1, ["Milo"], {"id": "Milo"}, "x" * 513])
def test_a_model_that_is_no_name(model: object) -> None:
    """The model must be text, and of a length that a name can have."""
    assert refused({"model": model, "messages": [USER]}).param == "model"


def test_no_model() -> None:
    """Without a model there is no agent to ask."""
    assert refused({"messages": [USER]}).code == "missing_model"


@pytest.mark.parametrize("messages", [None, [], {}, "Hello", 1])
def test_messages_that_are_no_list(messages: object) -> None:
    """There must be a list of messages, with one at least."""
    assert refused({"model": "Milo", "messages": messages}).param == "messages"


@pytest.mark.parametrize("n", [0, 2, -1, 1.5, True, False, "1", [1], {"n": 1}])
def test_more_than_one_answer(n: object) -> None:
    """An agent gives one answer, and `n` is a number."""
    assert refused({"model": "Milo", "messages": [USER], "n": n}).param == "n"


@pytest.mark.parametrize("n", [1, None])
def test_one_answer(n: object) -> None:
    """One answer may be asked for."""
    assert parsed(n=n).call.reply.ignored == ()


@pytest.mark.parametrize("stream", ["yes", "true", 1, 0, [], {}])
def test_stream_is_true_or_false(stream: object) -> None:
    """Whether to stream is not guessed from other values."""
    reject = refused({"model": "Milo", "messages": [USER], "stream": stream})
    assert (reject.param, reject.code) == ("stream", "invalid_type")


@pytest.mark.parametrize(("stream", "meant"), [(True, True), (False, False), (None, False)])
def test_stream(stream: object, meant: bool) -> None:
    """Null is as if it had not been sent."""
    assert parsed(stream=stream).call.stream is meant


@pytest.mark.parametrize("options", [True, "include_usage", ["include_usage"], 1])
def test_stream_options_that_are_no_object(options: object) -> None:
    """`stream_options` is an object."""
    body = {"model": "Milo", "messages": [USER], "stream_options": options}
    assert refused(body).param == "stream_options"


def test_include_usage() -> None:
    """Usage is asked for with `true`; anything that is no boolean is refused."""
    assert parsed(stream_options={"include_usage": True}).include_usage
    assert not parsed(stream_options={}).include_usage
    body = {"model": "Milo", "messages": [USER], "stream_options": {"include_usage": 1}}
    assert refused(body).param == "stream_options.include_usage"


@pytest.mark.parametrize("metadata", [[], "", 0, False, "chat"])
def test_metadata_that_is_no_object(metadata: object) -> None:
    """`metadata` is an object."""
    body = {"model": "Milo", "messages": [USER], "metadata": metadata}
    assert refused(body).param == "metadata"


def test_what_nothing_reads_is_said() -> None:
    """Fields that nothing honours are listed, except nulls."""
    chat = parsed(temperature=0.5, user="u", seed=None, metadata={}, conversation="c", made_up=1)
    assert chat.call.reply.ignored == ("temperature", "user", "made_up")


def test_tools() -> None:
    """The client's functions are read; the description and parameters may be missing."""
    schema = {"type": "object", "properties": {}}
    function = {"name": "weather", "description": "Tells it", "parameters": schema}
    tools = [
        {"type": "function", "function": function},
        {"type": "function", "function": {"name": "time", "description": None}},
    ]
    assert parsed(tools=tools).call.tools == (Tool("weather", "Tells it", schema), Tool("time"))


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ({}, "tools"),
        ("weather", "tools"),
        (["weather"], "tools.[0]"),
        ([{"type": "function"}], "tools.[0].function"),
        ([{"type": "function", "function": {}}], "tools.[0].function.name"),
        ([{"type": "function", "function": {"name": 1}}], "tools.[0].function.name"),
        (
            [{"type": "function", "function": {"name": "a", "parameters": [1]}}],
            "tools.[0].function.parameters",
        ),
    ],
)
def test_tools_that_are_no_functions(tools: object, param: str) -> None:
    """A tool that cannot be read is refused at its place."""
    assert refused({"model": "Milo", "messages": [USER], "tools": tools}).param == param


def test_what_asks_for_nothing_is_not_named() -> None:
    """Clients say what is so anyway; what only some of is read is named by its parts."""
    usual = {"top_p": 1.0, "frequency_penalty": 0, "logprobs": False, "service_tier": "auto"}
    within = {"stream_options": {"include_usage": True, "include_obfuscation": False}}
    assert parsed(**usual, **within, metadata={"chat_id": "c"}).call.reply.ignored == ()
    named = parsed(top_p=0.5, metadata={"chat_id": "c", "color": "red"}).call.reply.ignored
    assert named == ("top_p", "metadata.color")
