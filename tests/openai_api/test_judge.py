"""Our payloads, judged by OpenAI's published types."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.call import Reply
from gateway.events import Event
from gateway.surfaces import openai_errors
from gateway.surfaces.chat_chunks import Chunks, Completion
from gateway.surfaces.responses.encoder import Encoder
from gateway.surfaces.responses.request import parse
from gateway.surfaces.responses.shell import Shell, repeated
from tests.gateway.played_letta import Refusal, said
from tests.gateway.serving import USER, Served, serving
from tests.gateway.surfaces.recorded import NAMES, events_of
from tests.gateway.surfaces.responses.asking import post
from tests.openai_api.judge import OURS, all_wrong, wrong
from tests.openai_api.make import PAYLOADS


FOR_OPEN_WEBUI = Reply(open_webui=("status", "tools"))
BAD_KEY = {"Authorization": "Bearer wrong"}
FUNCTION = {"type": "function", "name": "get_time"}
SCHEMA = {"type": "json_schema", "name": "Time", "schema": {"type": "object"}, "strict": True}

Json = dict[str, Any]


def frames_of(data: bytes) -> list[Json]:
    """The JSON of a stream."""
    lines = [line for line in data.split(b"\n") if line.startswith(b"data: ")]
    return [json.loads(line[6:]) for line in lines if line != b"data: [DONE]"]


def shell(**asked: Any) -> Shell:
    wanted = parse({"model": "Milo", "input": "Hi", **asked})
    return Shell("resp_1", "1", 5, "Milo", repeated(wanted))


def chat_wrong(events: Sequence[Event], reply: Reply, *, usage: bool = False) -> list[str]:
    """What is wrong with the chunks of a streamed chat completion, and with the whole one."""
    ui = bool(reply.open_webui)
    data = Chunks("c", "Milo", reply, include_usage=usage).encode(events)
    found = [
        wrong("error" if "error" in frame else "chunk", frame, open_webui=ui)
        for frame in frames_of(data)
    ]
    whole = Completion("c", "Milo", reply)
    whole.add(events)
    if whole.error is None:
        found.append(wrong("completion", whole.body()))
    else:
        found.append(wrong("error", openai_errors.of_event(whole.error)))
    return [each for each in found if each is not None]


def responses_wrong(events: Sequence[Event], reply: Reply) -> list[str]:
    """What is wrong with the events of a streamed response, and with the whole one."""
    ui = bool(reply.open_webui)
    encoder = Encoder(shell(), reply)
    frames = frames_of(encoder.begin() + encoder.encode(events))
    return [
        *all_wrong("event", frames, open_webui=ui),
        *all_wrong("response", [encoder.body()], open_webui=ui),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_recording(name: str) -> None:
    """Whatever Letta says, chunks, completions, responses, events and errors are OpenAI's."""
    events = events_of(name)
    assert chat_wrong(events, Reply()) == []
    assert chat_wrong(events, Reply(functions=True), usage=True) == []
    assert responses_wrong(events, Reply()) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_recording_for_open_webui(name: str) -> None:
    """What is made for Open WebUI has nothing else beside OpenAI's than what is named."""
    events = events_of(name)
    assert chat_wrong(events, FOR_OPEN_WEBUI) == []
    assert responses_wrong(events, FOR_OPEN_WEBUI) == []


ASKED: Mapping[str, Json] = {
    "nothing": {},
    "tools": {"tools": [FUNCTION, {"type": "web_search"}], "tool_choice": FUNCTION},
    "format": {"text": {"format": SCHEMA}, "max_output_tokens": 50, "temperature": 0.5},
    "place": {"conversation": "c", "metadata": {"a": "b"}, "user": "ada", "store": False},
    "thinking": {"reasoning": {"effort": "low"}, "text": {"verbosity": "low"}, "top_p": 1},
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_what_a_response_repeats(asked: Json) -> None:
    """The fields of the request that a response repeats are as OpenAI repeats them."""
    body = shell(**asked).body("in_progress", [])
    assert wrong("response", body) is None
    assert {name for name in asked if name not in body} == set()


async def _got(served: Served, method: str, path: str, **more: Any) -> Any:
    async with served.session.request(method, f"{served.url}{path}", **more) as answer:
        return await answer.json()


async def test_over_http(tmp_path: Path) -> None:
    """Models, conversations, what a response was asked, and a kept response are OpenAI's."""
    async with serving(tmp_path, {"Milo": said("Hello"), "team/Lulu": said("Hi")}) as served:
        assert wrong("models", await _got(served, "GET", "/v1/models")) is None
        assert wrong("model", await _got(served, "GET", "/v1/models/team/Lulu")) is None
        made = await _got(served, "POST", "/v1/conversations", json={"metadata": {"a": "b"}})
        assert wrong("conversation", made) is None
        path = f"/v1/conversations/{made['id']}"
        assert wrong("conversation", await _got(served, "GET", path)) is None
        assert wrong("conversation_deleted", await _got(served, "DELETE", path)) is None
        parts = [{"type": "input_text", "text": "Hello"}]
        async with post(served, [{"role": "user", "content": parts}]) as answer:
            response = await answer.json()
        assert wrong("response", response) is None
        path = f"/v1/responses/{response['id']}"
        assert wrong("response", await _got(served, "GET", path)) is None
        assert wrong("input_items", await _got(served, "GET", f"{path}/input_items")) is None


REFUSED: Mapping[str, tuple[int, str, Json]] = {
    "model": (404, "/v1/chat/completions", {"json": {"model": "Nobody", "messages": USER}}),
    "n": (400, "/v1/chat/completions", {"json": {"model": "Milo", "messages": USER, "n": 2}}),
    "no JSON": (415, "/v1/responses", {"data": b"Hello"}),
    "path": (404, "/v1/embeddings", {"json": {}}),
    "key": (401, "/v1/responses", {"json": {}, "headers": BAD_KEY}),
    "Letta": (502, "/v1/responses", {"json": {"model": "Down", "input": "Hi"}}),
}


@pytest.mark.parametrize(("status", "path", "sent"), REFUSED.values(), ids=REFUSED)
async def test_errors_over_http(tmp_path: Path, status: int, path: str, sent: Json) -> None:
    """Errors are OpenAI's, whoever finds them."""
    keys = [{"name": "ada", "key": "sk-right-and-long-enough"}]
    scripts = {"Milo": said("Hello"), "Down": [Refusal(500)]}
    right = {"Authorization": f"Bearer {keys[0]['key']}"}
    async with (
        serving(tmp_path, scripts, keys=keys) as served,
        served.session.post(f"{served.url}{path}", **{"headers": right, **sent}) as answer,
    ):
        assert answer.status == status
        assert wrong("error", await answer.json()) is None


def _without(*path: str) -> Callable[[Any], None]:
    def change(payload: Any) -> None:
        *above, last = path
        for key in above:
            payload = payload[int(key) if key.isdigit() else key]
        del payload[last]

    return change


SPOILED: Mapping[str, Callable[[Any], None]] = {
    "a field that is missing": _without("choices", "0", "message", "refusal"),
    "a field that OpenAI does not have": lambda payload: payload.update(more=1),
    "a value that OpenAI does not have": lambda p: p["choices"][0].update(finish_reason="end"),
    "another type": lambda payload: payload.update(created="now"),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_what_is_wrong_is_found(spoil: Callable[[Any], None]) -> None:
    """The types are strict: about what is missing, too much, or something else."""
    whole = Completion("c", "Milo", Reply())
    whole.add(events_of(NAMES[0]))
    payload = copy.deepcopy(whole.body())
    assert wrong("completion", payload) is None
    spoil(payload)
    assert wrong("completion", payload) is not None


def test_what_is_ours_is_not_openais() -> None:
    """Nothing is named as ours that OpenAI's types have by now."""
    known = json.loads(PAYLOADS.read_text())["definitions"]
    both = [(n, f) for n, fields in OURS.items() for f in fields if f in known[n]["properties"]]
    assert both == []
