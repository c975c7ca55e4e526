"""From a step to what an OpenAI-compatible model would send: pieces, or one whole message."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from tests.letta_server.scenarios import steps_for
from tests.letta_server.script import Step, ToolCall, pieces, turn


Json = dict[str, Any]
AFTERWARDS = Step(text="done", n=4)


def step_for(request: Json) -> Step:
    """The step that answers this request."""
    now = turn(request["messages"])
    steps = steps_for(now.text)
    step = steps[now.calls] if now.calls < len(steps) else AFTERWARDS
    if step.show_request:
        step = attrs.evolve(step, text=json.dumps(_summary(request)))
    names = [tool["function"]["name"] for tool in request.get("tools") or ()]
    tools = [attrs.evolve(tool, name=_offered(tool.name, names)) for tool in step.tools]
    step = attrs.evolve(step, tools=tools)
    return _obliged(step, request) if request.get("tool_choice") == "required" else step


def deltas(step: Step) -> list[Json]:
    """The answer in pieces, as the `delta` of one chunk each."""
    reasoning = [{"reasoning_content": piece} for piece in pieces(step.reason, step.n)]
    text = [{"content": piece} for piece in step.text_pieces()]
    return [*reasoning, *text, *({"tool_calls": calls} for calls in _tool_pieces(step))]


def message(step: Step) -> Json:
    """The answer in one piece."""
    whole: Json = {"role": "assistant", "content": step.said or None}
    if step.reason:
        whole["reasoning_content"] = step.reason
    if step.tools:
        whole["tool_calls"] = [_call(tool, tool.json()) for tool in step.tools]
    return whole


def finish_reason(step: Step) -> str:
    return step.finish or ("tool_calls" if step.tools or step.raw_tool else "stop")


def usage(step: Step, request: Json) -> Json | None:
    """Token counts that a test can foretell: 100 and one per message, one per piece."""
    if step.usage != "counted":
        return step.usage
    prompt, completion = 100 + len(request["messages"]), len(deltas(step))
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 7},
        "completion_tokens_details": {"reasoning_tokens": 3 if step.reason else 0},
    }


def _offered(name: str, names: Sequence[str]) -> str:
    """What a tool is called here: proxies are named for what they stand for, and marked."""
    proxies = [each for each in names if each.startswith(f"{name}__")]
    return proxies[0] if len(proxies) == 1 and name not in names else name


def _summary(request: Json) -> Json:
    return {
        "roles": [each["role"] for each in request["messages"]],
        "tools": [tool["function"]["name"] for tool in request.get("tools") or ()],
        "tool_choice": request.get("tool_choice"),
        "user": request.get("user"),
    }


def _obliged(step: Step, request: Json) -> Step:
    """For agents whose model must call a tool: they talk through `send_message`."""
    if step.tools:
        calls = [attrs.evolve(tool, args=_with_thoughts(tool, step)) for tool in step.tools]
        return attrs.evolve(step, tools=calls, reason="")
    talk = _parameters(request, "send_message")
    if talk is None or step.raw_tool or step.status:
        return step
    thinking = {"thinking": step.reason or "thinking..."} if "thinking" in talk else {}
    call = ToolCall("send_message", {**thinking, "message": step.said}, frag=step.n)
    return attrs.evolve(step, text="", reason="", tools=[call])


def _with_thoughts(tool: ToolCall, step: Step) -> str | Json:
    if isinstance(tool.args, str):
        return tool.args
    return {"thinking": step.reason or "thinking...", **tool.args, "request_heartbeat": True}


def _parameters(request: Json, name: str) -> Json | None:
    for tool in request.get("tools") or ():
        if tool["function"]["name"] == name:
            found: Json = tool["function"]["parameters"]["properties"]
            return found
    return None


def _tool_pieces(step: Step) -> Iterator[list[Json]]:
    """What goes into `tool_calls`, chunk by chunk: one call after the other, or in turns."""
    calls = [list(_fragments(place, tool)) for place, tool in enumerate(step.tools)]
    if step.raw_tool:
        calls.append(list(_raw_fragments(len(calls), *step.raw_tool)))
    if not step.interleave:
        yield from ([piece] for call in calls for piece in call)
        return
    for place in range(max(map(len, calls), default=0)):
        yield [call[place] for call in calls if place < len(call)]


def _fragments(place: int, tool: ToolCall) -> Iterator[Json]:
    yield {"index": place, **_call(tool, "")}
    for piece in pieces(tool.json(), tool.frag):
        yield {"index": place, "function": {"arguments": piece}}


def _raw_fragments(place: int, name: str, fragments: Sequence[str]) -> Iterator[Json]:
    yield {"index": place, **_call(ToolCall(name), "")}
    for piece in fragments:
        yield {"index": place, "function": {"arguments": piece}}


def _call(tool: ToolCall, arguments: str) -> Json:
    call_id = f"call_{uuid.uuid4().hex[:24]}" if tool.id is None else tool.id
    function = {"name": tool.name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}
