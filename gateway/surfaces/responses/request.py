"""The body of `POST /v1/responses` becomes a `Call`, or a 400 that says why not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from gateway.call import Call, Message, Reply, Text
from gateway.surfaces.chat_request import LONGEST_MODEL, NOTHING, shallow
from gateway.surfaces.openai_messages import kind, refuse
from gateway.surfaces.responses.items import Item, items_of, messages_of, unknown_in
from gateway.surfaces.responses.tools import ToolsWanted, tools_of
from gateway.thread import NO_THREAD, Thread


# Read here; all other fields are said to be ignored when sent, unless a plugin honours them.
READ = frozenset(
    {
        "background",
        "conversation",
        "enable_thinking",
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "model",
        "previous_response_id",
        "store",
        "stream",
        "text",
        "tools",
    }
)

# What OpenAI does unless asked otherwise; to say so asks for nothing.
USUAL = {
    "service_tier": "auto",
    "stream_options": {"include_obfuscation": False},
    "top_logprobs": 0,
    "top_p": 1,
    "truncation": "disabled",
}

# Reasoning is in summaries anyway.
SUMMARIES = {"summary", "generate_summary"}

# Plugins know fields by the names that chat completions have for them.
OUR_FIELDS = {"max_completion_tokens": "max_output_tokens", "response_format": "text.format"}

# In what they say these stand alone, or in quotes where a sentence names them.
OUR_NAMES = {
    "response_format.json_schema": "text.format",
    **OUR_FIELDS,
    "messages": "input",
}
THEIR_NAMES = re.compile(rf"(^|')({'|'.join(map(re.escape, OUR_NAMES))})\b")


@attrs.frozen
class Wanted:
    """A parsed body."""

    body: Mapping[str, Any]
    model: str
    input: Sequence[Item]
    instructions: str
    stream: bool
    store: bool
    background: bool
    previous: str
    conversation: str
    tools: ToolsWanted

    def call(
        self,
        headers: Mapping[str, str],
        said: Sequence[Item] = (),
        thread: Thread = NO_THREAD,
    ) -> Call:
        """
        The request, after what was `said` before, at its place in a chain or conversation.

        Raises:
            Reject: An item has a part that Letta cannot be sent.
        """
        told = (Message("system", (Text(self.instructions),)),) if self.instructions else ()
        before = messages_of(said, "history")
        return Call(
            model=self.model,
            messages=(*told, *before, *messages_of(self.input)),
            headers=headers,
            body={**self.body, **in_plugins_words(self.body), "conversation": None},
            thread=thread,
            stream=self.stream,
            tools=self.tools.offer.tools,
            choice=self.tools.offer.choice,
            parallel=flag(self.body, "parallel_tool_calls", default=True),
            reply=Reply(ignored=self._ignored()),
        )

    def _ignored(self) -> tuple[str, ...]:
        """Fields that nothing reads, by the names that plugins know them by."""
        sent = {name: value for name, value in self.body.items() if value not in NOTHING}
        names = [name for name, value in sent.items() if _asks(name, value)]
        names += [name for name in in_plugins_words(self.body) if name not in names]
        if self.tools.offer.tools:
            names.insert(0, "tools")
        names += [f"tools.{kind}" for kind in sorted(self.tools.left_out)]
        names += [f"input.{kind}" for kind in sorted(unknown_in(self.input))]
        text = self.body.get("text") or {}
        within = [name for name, value in text.items() if name != "format" and value is not None]
        return (*names, *(f"text.{name}" for name in within))


def parse(body: object) -> Wanted:
    """
    Check the body and read it.

    Raises:
        Reject: A field is missing, of the wrong type, or asks for what cannot be had.
    """
    if not isinstance(body, dict):
        refuse("body", f"The body must be a JSON object, not {kind(body)}.", "invalid_type")
    shallow(body)
    model = _text(body, "model")
    if not model:
        refuse("model", "'model' must be text that names an agent.", "missing_model")
    if len(model) > LONGEST_MODEL:
        refuse("model", f"'model' is longer than {LONGEST_MODEL} characters.")
    _objects(body)
    _no_template(body)
    flag(body, "enable_thinking")
    wanted = Wanted(
        body=body,
        model=model,
        input=items_of(body.get("input")),
        instructions=_text(body, "instructions"),
        stream=flag(body, "stream"),
        store=flag(body, "store", default=True),
        background=flag(body, "background"),
        previous=_text(body, "previous_response_id"),
        conversation=_conversation(body.get("conversation")),
        tools=tools_of(body),
    )
    _together(wanted)
    return wanted


def in_plugins_words(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that chat completions have under other names."""
    words: dict[str, Any] = {}
    if body.get("max_output_tokens") is not None:
        words["max_completion_tokens"] = body["max_output_tokens"]
    shape = (body.get("text") or {}).get("format")
    if isinstance(shape, dict) and shape.get("type") == "json_schema":
        described = {name: value for name, value in shape.items() if name != "type"}
        words["response_format"] = {"type": "json_schema", "json_schema": described}
    elif shape is not None and shape != {"type": "text"}:
        words["response_format"] = shape
    return words


def our_field(name: str) -> str:
    """What a field of the body is called here that plugins know by this name."""
    return OUR_FIELDS.get(name, name)


def in_our_words(text: str) -> str:
    """What a plugin says of a request, with the names that its fields have here."""
    return THEIR_NAMES.sub(lambda found: found[1] + OUR_NAMES[found[2]], text)


def flag(body: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    """
    A field that is true or false; null is the default.

    Raises:
        Reject: It is neither.
    """
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        refuse(name, f"'{name}' must be true or false, not {kind(value)}.", "invalid_type")
    return value


def _asks(name: str, value: object) -> bool:
    if name == "reasoning" and isinstance(value, dict):
        return any(each is not None for key, each in value.items() if key not in SUMMARIES)
    return name not in READ and not (name in USUAL and USUAL[name] == value)


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        refuse(name, f"'{name}' must be text, not {kind(value)}.", "invalid_type")
    return value or ""


def _no_template(body: Mapping[str, Any]) -> None:
    if body.get("prompt") is not None:
        text = "'prompt' names a template at OpenAI; say what it says in 'instructions'."
        refuse("prompt", text, "unsupported_value")


def _objects(body: Mapping[str, Any]) -> None:
    for name in ("metadata", "text"):
        value = body.get(name)
        if value is not None and not isinstance(value, dict):
            refuse(name, f"'{name}' must be an object, not {kind(value)}.", "invalid_type")


def _conversation(value: object) -> str:
    if value is None:
        return ""
    named = value.get("id") if isinstance(value, dict) else value
    if isinstance(named, int) and not isinstance(named, bool):
        return str(named)
    if not isinstance(named, str) or not named:  # what names none would be said nowhere
        text = "'conversation' must be text that names one, or an object that has it as its 'id'."
        refuse("conversation", text, "invalid_type")
    return named


def _together(wanted: Wanted) -> None:
    if wanted.previous and wanted.conversation:
        text = "'previous_response_id' and 'conversation' cannot be used together."
        refuse("previous_response_id", text, "mutually_exclusive_parameters")
    if wanted.background and not wanted.store:
        text = "'background' needs 'store': nobody could ask for the response."
        refuse("background", text, "unsupported_value")
    if wanted.previous and not wanted.previous.isprintable():
        refuse("previous_response_id", "'previous_response_id' must name a response.")
