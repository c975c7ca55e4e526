"""The upstream speaks Letta's API, and OpenAI's with the same text."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from openai import OpenAI

from benchmarks.native.upstream import Counts, Shape
from gateway.events import Finish, Ping, ReasoningDelta, TextDelta, Usage
from gateway.letta.decode import Decoder
from gateway.letta.frames import FrameReader


CONVERSATION = "/v1/conversations/conv-00000000-0000-4000-8000-000000000001/messages"


def ask(url: str, **body: Any) -> str:
    """POST, and all that comes."""
    said = {"messages": [{"role": "user", "content": "@@0000002a"}], **body}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(said).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        text: str = answer.read().decode()
        return text


def letta_events(url: str) -> list[Any]:
    """What the gateway reads in a stream of Letta's."""
    decoder, frames = Decoder(), FrameReader().feed(ask(url, streaming=True).encode())
    return [*(event for frame in frames for event in decoder.feed(frame)), *decoder.end()]


def test_letta(upstream_):
    """A stream is what Letta's is: a ping, the reasoning, the text, the usage and the end."""
    upstream_.answer(Shape(3, 2))

    events = letta_events(upstream_.letta + CONVERSATION)

    kinds = [type(event) for event in events]
    assert kinds == [Ping, *[ReasoningDelta] * 3, *[TextDelta] * 2, Usage, Finish]
    assert events[-1] == Finish("stop")


def test_openai(upstream_):
    """The same text comes from the same program as an OpenAI server."""
    upstream_.answer(Shape(3, 4))
    events = letta_events(upstream_.letta + CONVERSATION)
    said = [{"role": "user", "content": "@@0000002a"}]

    with OpenAI(base_url=upstream_.openai, api_key="none") as client:
        chunks = client.chat.completions.create(model="bench", messages=said, stream=True)
        deltas = [chunk.choices[0].delta for chunk in chunks]

    texts = [event.text for event in events if isinstance(event, TextDelta)]
    assert [delta.content for delta in deltas if delta.content] == texts


@pytest.mark.parametrize("path", [CONVERSATION, "/v1/chat/completions"])
def test_whole(upstream_, path):
    """Asked without streaming, it answers in one piece with the same text."""
    upstream_.answer(Shape(0, 20))

    streamed = letta_events(upstream_.letta + CONVERSATION)
    whole = json.loads(ask(upstream_.letta + path))

    said = whole["messages"][0] if "messages" in whole else whole["choices"][0]["message"]
    texts = [event.text for event in streamed if isinstance(event, TextDelta)]
    assert said["content"] == "".join(texts)


def test_seed(upstream_):
    """What the user says decides the text, so that one answer is not taken for another."""
    upstream_.answer(Shape(0, 20))
    url = upstream_.letta + CONVERSATION

    one, other = (
        json.loads(ask(url, messages=[{"role": "user", "content": f"@@{seed:08x}"}]))
        for seed in (1, 2)
    )

    assert one["messages"][0]["content"] != other["messages"][0]["content"]


def test_counts(upstream_):
    """It tells how many connections and answers there were."""
    upstream_.answer(Shape(0, 2))
    ask(upstream_.letta + CONVERSATION, streaming=True)

    assert upstream_.counts() == Counts(connections=1, answers=1, left_early=0)


def test_shape():
    """A stream's length in time is the pace between its deltas."""
    assert Shape(2, 3, 20).seconds == pytest.approx(0.08)
    assert Shape(2, 3).seconds == 0
