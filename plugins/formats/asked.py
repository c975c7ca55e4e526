"""The form that a request wants the answer to have: `response_format`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import attrs

from gateway.plugin import Reject
from plugins.formats.schema import Shape, no_schema


FIELD = "response_format"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
ANY_OBJECT = '{"type":"object"}'

ANSWER = "Answer the user's message with JSON alone: no explanation, no code fence."


@attrs.frozen
class Format:
    """
    A JSON object, or what a schema describes.

    `strict` is what the client cannot do without. `as_sent` is the field as it came.
    """

    schema: str
    strict: bool
    as_sent: Mapping[str, Any]

    @property
    def shape(self) -> Shape:
        """What tells whether a text is that."""
        return Shape(json.loads(self.schema))

    @property
    def demand(self) -> str:
        """The same, said to the agent."""
        if self.schema == ANY_OBJECT:
            return f"{ANSWER} It must be a JSON object."
        return f"{ANSWER} It must fit this JSON schema:\n{self.schema}"


def format_of(body: Mapping[str, Any]) -> Format | None:
    """
    The form asked for; None where any text will do.

    Raises:
        Reject: There is no such form, or the schema is none that can be checked.
    """
    value = body.get(FIELD)
    if value is None:
        return None
    if not isinstance(value, dict):
        _refuse(FIELD, f"'{FIELD}' must be an object.", "invalid_type")
    match value.get("type"):
        case "text":
            return None
        case "json_object":
            return Format(ANY_OBJECT, strict=True, as_sent={"type": "json_object"})
        case "json_schema":
            return _by_schema(value, f"{FIELD}.json_schema")
    text = f"'{FIELD}.type' must be text, json_object or json_schema."
    return _refuse(f"{FIELD}.type", text, "unsupported_value")


def _by_schema(value: Mapping[str, Any], at: str) -> Format:
    wanted = value.get("json_schema")
    if not isinstance(wanted, dict):
        _refuse(at, f"'{at}' must be an object.", "invalid_type")
    name, schema = wanted.get("name"), wanted.get("schema")
    if not isinstance(name, str) or not NAME.match(name):
        text = f"'{at}.name' must be 1 to 64 letters, digits, underscores or dashes."
        _refuse(f"{at}.name", text, "invalid_value")
    if schema is not None and not isinstance(schema, dict):
        _refuse(f"{at}.schema", f"'{at}.schema' must be a JSON schema.", "invalid_type")
    if (wrong := no_schema(schema or {})) is not None:
        _refuse(f"{at}.schema", f"'{at}.schema' cannot be checked: {wrong}", "invalid_schema")
    written = json.dumps(schema or {}, ensure_ascii=False, separators=(",", ":"))
    return Format(written, wanted.get("strict") is True, value)


def _refuse(param: str, text: str, code: str) -> NoReturn:
    raise Reject(400, code, text, param=param)
