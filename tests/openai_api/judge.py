"""Whether a payload is as OpenAI's published types have it; what is ours beside them, by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

from tests.openai_api.make import PAYLOADS


# Fields of ours, by the type that has them besides OpenAI's.
OURS: Mapping[str, Sequence[str]] = {
    # What people read of an agent's reasoning, under both names that clients know.
    "ChatCompletionMessage": ("reasoning_content", "reasoning"),
    "ChatCompletionChunk.Choice.Delta": ("reasoning_content", "reasoning"),
    # What Open WebUI configures itself from, and what the agent can do.
    "Model": ("name", "tags", "info", "letta"),
    # OpenAI's API has these; the types of its package do not.
    "Response": ("store",),
    "ResponseFunctionCallArgumentsDoneEvent": ("name",),
}

# The code of a failed response is that of the same error on all surfaces.
ANY_VALUE: Mapping[str, Sequence[str]] = {"ResponseError": ("code",)}

# What only those streams have that an operator makes for Open WebUI alone: frames of its own,
# and tools that failed.
FOR_OPEN_WEBUI: Mapping[str, Sequence[str]] = {
    "ChatCompletionChunk": ("event", "type", "item"),
    "ResponseFunctionToolCall": ("status",),
    "ResponseFunctionToolCallOutputItem": ("status",),
}

# Texts, numbers and ids: one is as good as another.
FREE = {"arguments", "content", "delta", "id", "item_id", "message", "output", "refusal", "text"}


@cache
def schemas(*, open_webui: bool = False) -> Mapping[str, Any]:
    """OpenAI's, with what is ours."""
    found: dict[str, Any] = json.loads(PAYLOADS.read_text())["definitions"]
    for ours in (OURS, ANY_VALUE, FOR_OPEN_WEBUI if open_webui else {}):
        for name, fields in ours.items():
            found[name]["properties"] |= {field: {} for field in fields}
    return found


def fields_of(request: str) -> frozenset[str]:
    """The fields of a request: `ChatFields` or `ResponseFields`."""
    return frozenset(schemas()[request]["enum"])


@cache
def _validator(name: str, *, open_webui: bool) -> Draft7Validator:
    known = schemas(open_webui=open_webui)
    payloads = known["Payloads"]["properties"]
    schema = payloads.get(name, {"$ref": f"#/definitions/{name}"})
    return Draft7Validator({**schema, "definitions": known})


@cache
def events() -> Mapping[str, str]:
    """The schema of each stream event, by the event's type."""
    listed = schemas()["ResponseStreamEvent"]["anyOf"]
    names = [each["$ref"].removeprefix("#/definitions/") for each in listed]
    return {schemas()[name]["properties"]["type"]["const"]: name for name in names}


_RIGHT: set[str] = set()


def wrong(name: str, payload: Any, *, open_webui: bool = False) -> str | None:
    """
    What OpenAI's type says against it. What has the shape of one that was right is right.

    Args:
        name: A payload of `payloads.ts`: completion, chunk, response, event, ...
    """
    shape = f"{open_webui} {name} {json.dumps(_shape(payload))}"
    if shape in _RIGHT:
        return None
    schema = events()[payload["type"]] if name == "event" else name
    found = best_match(_validator(schema, open_webui=open_webui).iter_errors(payload))
    if found is None:
        _RIGHT.add(shape)
        return None
    return f"{name} {found.json_path}: {found.message}"


def all_wrong(name: str, payloads: Iterable[Any], *, open_webui: bool = False) -> list[str]:
    """The same of several."""
    said = (wrong(name, payload, open_webui=open_webui) for payload in payloads)
    return [each for each in said if each is not None]


def _shape(value: Any, key: str = "") -> Any:
    match value:
        case dict():
            return {name: _shape(each, name) for name, each in value.items()}
        case list():
            return sorted({json.dumps(_shape(each, key)) for each in value})
        case bool() | None:
            return value
        case int() | float():
            return 0
    return "" if key in FREE else value
