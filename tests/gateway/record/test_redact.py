from __future__ import annotations

import json
import re

import pytest

from gateway.letta.frames import FrameReader
from gateway.record.redact import WORDS, Redactor, blank
from gateway.testing import recordings
from tests.gateway.letta.decoding import STREAMS, events_of


def frames(data: bytes) -> list:
    return FrameReader().feed(data)


def stream(*texts: str, **more) -> bytes:
    """A stream of pieces of one message."""
    frame = {"message_type": "assistant_message", "id": "message-1", **more}
    blocks = [f"data: {json.dumps({**frame, 'content': text})}\n\n" for text in texts]
    return "".join(blocks).encode()


def contents(data: bytes) -> list[str]:
    return [frame["content"] for frame in frames(data)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada is 36.", "Xxx xx 00."),
        ("| a | b |\n|---|---|", "| x | x |\n|---|---|"),
        ("one\\ntwo", "xxx\\nxxx"),
        ("one\\\\ntwo", "xxx\\\\nxxx"),
        ('say \\"yes\\"', 'xxx \\"xxx\\"'),
        ("caf\\u00e9\\u0020\\u000a", "xxx\\u0078\\u0020\\u000a"),
        ("\\alpha", "\\xxxxx"),
        ("日本 🎉 é", "xx 🎉 x"),
        ("\u2028", "\u2028"),
        ("", ""),
    ],
)
def test_blank(text, expected):
    """Letters and digits go; line breaks, escapes, punctuation and lengths stay."""
    assert blank(text) == expected
    assert len(blank(text)) == len(text)


@pytest.mark.parametrize("text", ["one\\ntwo", "a\\u00e9b", "x\\\\ny\\", "no escape"])
def test_an_escape_may_be_cut(text):
    """A backslash at the end of a piece and the n that begins the next stay an escape."""
    for place in range(len(text) + 1):
        (first, second) = contents(Redactor().stream(stream(text[:place], text[place:])))
        whole, cut = blank(text), f"{first}{second}"
        assert re.findall(r"\\[nu]", cut) == re.findall(r"\\[nu]", whole)
        assert len(cut) == len(text)


def test_messages_do_not_mix():
    """What a message ends in says nothing of the next."""
    data = stream("one\\") + stream("new", id="message-2")
    assert contents(Redactor().stream(data)) == ["xxx\\", "xxx"]


@pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
def test_what_the_gateway_goes_by_stays(recording):
    """A redacted recording gives the same kinds of events, of the same lengths."""
    data = Redactor().stream(recording.data)
    again = events_of(recordings.Recording(**{**_fields(recording), "data": data}))

    assert [_shape(event) for event in again] == [_shape(e) for e in events_of(recording)]


def _fields(recording):
    return {name: getattr(recording, name) for name in recording.__slots__ if name[0] != "_"}


def _shape(event):
    """An event without its texts."""
    texts = ("text", "json", "output", "message")
    kept = {name: getattr(event, name, None) for name in ("call_id", "name", "code", "reason")}
    lengths = {name: len(getattr(event, name, "")) for name in texts}
    if type(event).__name__ == "Error":  # its message is made of what was said
        lengths = {}
    return type(event), kept, lengths


@pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
def test_no_word_of_a_recording_is_left(recording):
    """Nothing that was said, reasoned, given to a tool or given back by it is to be read."""
    redacted = Redactor().stream(recording.data)
    for frame in frames(redacted):
        for text in _texts(frame):
            letters = re.sub(r"\\[bfnrtu]", "", WORDS.sub("", text))
            # What stands for letters as it is, and as an escape, which may be cut.
            assert set(re.findall(r"\w", letters)) <= set("xX0_ntu58700"), text


def _texts(value, key=""):
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _texts(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one, key)
    elif isinstance(value, str) and key in {
        "content", "reasoning", "arguments", "tool_return", "stdout", "stderr", "message",
        "detail", "signature", "hidden_reasoning",
    }:  # fmt: skip
        yield value


def test_errors_are_told_apart():
    """The words of Letta's by which the gateway knows an error stay, what surrounds them goes."""
    frame = {
        "message_type": "error_message",
        "error_type": "internal_error",
        "message": "Sorry, Ada",
        "detail": "Error code: 429 - the key sk-secret is waiting for approval",
    }
    data = f"event: error\ndata: {json.dumps(frame)}\n\n".encode()

    (redacted,) = frames(Redactor().stream(data))

    assert redacted["error_type"] == "internal_error"
    assert redacted["message"] == "Xxxxx, Xxx"
    assert redacted["detail"] == "Error code: 429 - xxx xxx xx-xxxxxx xx waiting for approval"


def test_half_a_character_and_broken_frames():
    """What cannot be read as JSON is redacted as text, and half a surrogate pair is written."""
    data = b'data: {"content": "a\\ud83d"}\n\ndata: {"content": "cut o\n\n: said Ada\n'
    redacted = Redactor().stream(data).decode()

    assert redacted == 'data: {"content":"x\\ud83d"}\n\ndata: {"xxxxxxx": "xxx x\n\n: xxxx Xxx\n'


def test_a_request():
    """Of what was asked the names of tools stay, and what their fields are called."""
    body = {
        "messages": [
            {"role": "user", "content": "I am Ada", "name": "ada", "otid": "otid-1"},
            {"role": "user", "content": [{"type": "image", "source": {"data": "AAAA"}}]},
        ],
        "stream_tokens": True,
        "client_tools": [
            {"name": "get_weather", "description": "Of a city", "parameters": {"type": "object"}}
        ],
    }

    assert Redactor().body(body) == {
        "messages": [
            {"role": "user", "content": "X xx Xxx", "name": "xxx", "otid": "otid-1"},
            {"role": "user", "content": [{"type": "image", "source": {"data": ""}}]},
        ],
        "stream_tokens": True,
        "client_tools": [
            {"name": "get_weather", "description": "Xx x xxxx", "parameters": {"type": "object"}}
        ],
    }


def test_the_type_of_an_image():
    """A client can write there what it wants."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/ada", "data": "A"}}
    source = Redactor().body({"content": [image]})["content"][0]["source"]
    assert source == {"type": "base64", "media_type": "xxxxx/xxx", "data": ""}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("said Ada", "xxxx Xxx"),
        ("Ada: [DONE]", "Xxx: [XXXX]"),
        ("Ada: hi", "Xxx: xx"),
        ("data: [DONE]", "data: [DONE]"),
        ("event: error\r", "event: error\r"),
        ("", ""),
    ],
)
def test_lines_that_are_no_fields(line, expected):
    """What is no line of a stream is redacted as text."""
    assert Redactor().stream(line.encode()).decode() == expected


@pytest.mark.parametrize("depth", [400, 100_000])
def test_deep_frames(depth):
    """What is nested too deeply to be looked through is redacted as text."""
    deep = "[" * depth + '"Ada"' + "]" * depth
    redacted = Redactor().stream(f"data: {deep}\n\n".encode()).decode()
    assert redacted == f"data: {deep}\n\n".replace("Ada", "Xxx")
