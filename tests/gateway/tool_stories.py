"""Stories of clients with tools, told by the official SDK: over any Letta, made up or real."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
from openai.lib.streaming.chat import ChatCompletionStreamState


Json = dict[str, Any]

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather.",
        "parameters": SCHEMA,
        "strict": True,
    },
}
TIME = {"type": "function", "function": {"name": "get_time", "parameters": SCHEMA}}


def does(*steps: Mapping[str, Any]) -> str:
    """What makes the scripted model do this, step by step."""
    return f"!!{json.dumps({'steps': steps})}!!"


def calls(*names: str, **step: Any) -> Json:
    """A step in which the model calls these tools: `name` or `name:id`."""
    used = [name.partition(":")[::2] for name in names]
    tools = [{"name": name, "args": {"city": "Rome"}, "id": use or None} for name, use in used]
    return {**step, "tools": tools}


@attrs.frozen
class Said:
    """An answer."""

    message: Json
    finish: str | None

    @property
    def text(self) -> str:
        return self.message.get("content") or ""

    @property
    def reasoning(self) -> str:
        return self.message.get("reasoning_content") or ""

    @property
    def calls(self) -> list[Json]:
        return self.message.get("tool_calls") or []

    @property
    def names(self) -> list[str]:
        return [call["function"]["name"] for call in self.calls]


@attrs.define
class Talker:
    """Somebody who resends everything, and runs what the agent calls."""

    sdk: Any
    model: str
    stream: bool = True
    key: str = ""
    tools: Iterable[Mapping[str, Any]] = (WEATHER, TIME)
    more: Mapping[str, Any] = attrs.field(factory=dict)
    messages: list[Json] = attrs.field(factory=list)

    async def say(self, text: str) -> Said:
        """The next turn."""
        self.messages.append({"role": "user", "content": text})
        return await self.send()

    async def send(self) -> Said:
        """The history as it is; the answer is added to it."""
        said = await (self._streamed if self.stream else self._whole)()
        self.messages.append({"role": "assistant", **said.message})
        return said

    async def answer(self, run: Callable[[Json], Any] | None = None) -> Said:
        """Run what was called, and send the results."""
        for call in self.messages[-1].get("tool_calls") or ():
            self.give(call["id"], (run or _runs)(call))
        return await self.send()

    def give(self, call_id: str, content: Any) -> None:
        """Add a result."""
        self.messages.append({"role": "tool", "tool_call_id": call_id, "content": content})

    def body(self) -> Json:
        """What is sent."""
        headers = {"X-Letta-Chat-Key": self.key} if self.key else {}
        tools = {"tools": list(self.tools)} if self.tools else {}
        asked = {"model": self.model, "messages": self.messages, **tools, **self.more}
        return {**asked, "extra_headers": headers}

    async def _whole(self) -> Said:
        completion = await self.sdk.chat.completions.create(**self.body())
        return _said(completion)

    async def _streamed(self) -> Said:
        state: Any = ChatCompletionStreamState()
        async for chunk in await self.sdk.chat.completions.create(**self.body(), stream=True):
            state.handle_chunk(chunk)
        return _said(state.current_completion_snapshot)


def _said(completion: Any) -> Said:
    (choice,) = completion.choices
    message = {name: value for name, value in choice.message.to_dict().items() if value is not None}
    for call in message.get("tool_calls") or ():
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    message.pop("parsed", None)
    return Said({**message, "role": "assistant"}, choice.finish_reason)


def _runs(call: Json) -> str:
    return f"{call['function']['name']} of {json.loads(call['function']['arguments'])['city']}"


async def one_call(talker: Talker) -> None:
    """A call, its result, and what the agent makes of it."""
    said = await talker.say(does(calls("get_weather"), {"text": "It is warm."}))
    assert said.finish == "tool_calls"
    assert said.names == ["get_weather"]
    assert json.loads(said.calls[0]["function"]["arguments"]) == {"city": "Rome"}
    said = await talker.answer()
    assert (said.text, said.finish, said.calls) == ("It is warm.", "stop", [])


async def two_calls(talker: Talker, **step: Any) -> None:
    """Two calls in one step."""
    step = calls("get_weather:call_a", "get_time:call_b", **step)
    said = await talker.say(does(step, {"text": "Both known."}))
    assert said.names == ["get_weather", "get_time"]
    assert len({call["id"] for call in said.calls}) == 2
    assert (await talker.answer()).text == "Both known."


async def ten_rounds(talker: Talker) -> None:
    """Round after round."""
    rounds = [calls(f"get_weather:call_{i}") for i in range(10)]
    said = await talker.say(does(*rounds, {"text": "Ten."}))
    count = 0
    while said.calls:
        count += 1
        said = await talker.answer()
    assert (count, said.text) == (10, "Ten.")


async def thoughts_and_words(talker: Talker) -> None:
    """Text and reasoning before a call."""
    step = calls("get_weather", reason="I must look.", text="Let me look.")
    said = await talker.say(does(step, {"text": "Warm."}))
    assert (said.text, said.reasoning) == ("Let me look.", "I must look.")
    assert said.names == ["get_weather"]
    assert (await talker.answer()).text == "Warm."


async def both_kinds_of_tools(talker: Talker) -> None:
    """The agent's own tools and the client's, in a row and in one step."""
    own = {"name": "conversation_search", "args": {"query": "Rome"}}
    both = {"tools": [own, {"name": "get_time", "args": {"city": "Rome"}}]}
    said = await talker.say(does({"tools": [own]}, both, {"text": "Found."}))
    assert said.names == ["get_time"]
    assert (await talker.answer()).text == "Found."


async def a_large_result(talker: Talker) -> None:
    """200 kB."""
    await talker.say(does(calls("get_weather"), {"text": "Long."}))
    assert (await talker.answer(lambda _: "0123456789" * 20_000)).text == "Long."


GIF = "R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw=="


async def an_image_as_a_result(talker: Talker) -> None:
    """Text and an image."""
    await talker.say(does(calls("get_weather"), {"text": "Nice."}))
    url = {"url": f"data:image/gif;base64,{GIF}"}
    parts = [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": url}]
    assert (await talker.answer(lambda _: parts)).text == "Nice."


async def an_error_as_a_result(talker: Talker) -> None:
    """A tool that failed."""
    await talker.say(does(calls("get_weather"), {"text": "Pity."}))
    assert (await talker.answer(lambda _: "Error: no such city")).text == "Pity."


async def moving_on(talker: Talker) -> None:
    """The user says something else."""
    await talker.say(does(calls("get_weather"), {"text": "Never said."}))
    assert (await talker.say("Forget it.")).text == "You said: Forget it."
    assert (await talker.say("Good.")).text == "You said: Good."


STORIES: Mapping[str, Callable[[Talker], Any]] = {
    story.__name__: story
    for story in (
        one_call,
        two_calls,
        ten_rounds,
        thoughts_and_words,
        both_kinds_of_tools,
        a_large_result,
        an_image_as_a_result,
        an_error_as_a_result,
        moving_on,
    )
}
