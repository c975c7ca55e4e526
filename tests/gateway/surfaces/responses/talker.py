"""The people of the tool stories, who speak to the Responses API here."""

from __future__ import annotations

from typing import Any

import attrs

from tests.gateway.surfaces.responses.reading import said_in, thought_in
from tests.gateway.tool_stories import Json, Said, Talker


@attrs.define
class ResponsesTalker(Talker):
    """
    Somebody who resends every item or, if `following`, says what is new after the last response.

    Its messages are those of chat completions, as the stories know them.
    """

    following: bool = False
    store: bool = True
    items: list[Json] = attrs.field(factory=list)
    last: str = ""
    _told: int = 0

    async def send(self) -> Said:
        """What is new among the messages; the answer is added to it."""
        self.items += [_item(message) for message in self.messages[self._told :]]
        response = await (self._stream_of if self.stream else self._all_of)()
        self.last = response["id"]
        self.items = [] if self.following else [*self.items, *map(_resent, response["output"])]
        said = _said(response)
        self.messages.append(said.message)
        self._told = len(self.messages)
        return said

    def body(self) -> Json:
        tools = [{"type": "function", **tool["function"]} for tool in self.tools]
        headers = {"X-Letta-Chat-Key": self.key} if self.key else {}
        asked = {"model": self.model, "input": self.items, "tools": tools, "store": self.store}
        if self.following and self.last:
            asked["previous_response_id"] = self.last
        return {**asked, **self.more, "extra_headers": headers}

    async def _all_of(self) -> Json:
        response: Json = (await self.sdk.responses.create(**self.body())).to_dict()
        return response

    async def _stream_of(self) -> Json:
        async with self.sdk.responses.stream(**self.body()) as stream:
            response: Json = (await stream.get_final_response()).to_dict()
        return response


def _item(message: Json) -> Json:
    if message["role"] != "tool":
        return {"role": message["role"], "content": message["content"]}
    output = message["content"]
    if isinstance(output, list):
        output = [_part(part) for part in output]
    call_id = message["tool_call_id"]
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def _part(part: Json) -> Json:
    if part["type"] == "text":
        return {"type": "input_text", "text": part["text"]}
    return {"type": "input_image", "image_url": part["image_url"]["url"], "detail": "auto"}


def _resent(item: Json) -> Json:
    """As the SDK's users put it into the next input."""
    return {name: value for name, value in item.items() if name != "parsed_arguments"}


def _said(response: Json) -> Said:
    calls = [_call(item) for item in response["output"] if item["type"] == "function_call"]
    message: Json = {"role": "assistant", "content": said_in(response) or None}
    if thought := thought_in(response):
        message["reasoning_content"] = thought
    if calls:
        message["tool_calls"] = calls
    ended = {"completed": "tool_calls" if calls else "stop", "incomplete": "length"}
    return Said(message, ended.get(response["status"]))


def _call(item: Json) -> Any:
    function = {"name": item["name"], "arguments": item["arguments"]}
    return {"id": item["call_id"], "type": "function", "function": function}
