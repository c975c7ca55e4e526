"""Whether a text is JSON that fits a schema.

The schema is the client's and the text the agent's, so neither may keep the gateway busy for
long, nor have it fetch anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import attrs
from jsonschema.exceptions import best_match

from gateway.json_schema import SchemaReader
from plugins.formats.reference import target
from plugins.formats.validator import validator


LONGEST_REASON = 300
UNCHECKED = "It cannot be checked."


@attrs.define
class Shape:
    """What a text has to be."""

    schema: Mapping[str, Any]

    def wrong(self, text: str) -> str | None:
        """Why it is not that; None if it is."""
        try:
            value = json.loads(text, parse_constant=_no_number)
        except ValueError as exc:
            return f"It is not JSON: {exc}"
        except RecursionError:
            return UNCHECKED
        try:
            error = best_match(validator(self.schema).iter_errors(value))
        except Exception:  # noqa: BLE001  it takes too long, or a reference leads to no schema
            return UNCHECKED
        return None if error is None else f"{error.json_path}: {error.message[:LONGEST_REASON]}"


def no_schema(schema: Mapping[str, Any]) -> str | None:
    """Why nothing can be checked against this; None if it is a JSON schema."""
    reader = SchemaReader()
    wrong = reader.wrong(schema)
    return wrong if wrong is not None else _lost(schema, reader)


def _lost(schema: Mapping[str, Any], reader: SchemaReader) -> str | None:
    """What is wrong with what it refers to, and with what that refers to."""
    followed = set[str]()
    while new := reader.references - followed:
        followed |= new
        for reference in sorted(new):
            try:
                wrong = reader.wrong(target(schema, reference))
            except LookupError:
                return f"there is nothing at {reference!r}, and nothing is fetched"
            if wrong is not None:
                return f"{wrong}, to which {reference!r} leads"
    return None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
