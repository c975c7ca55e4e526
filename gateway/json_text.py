"""JSON as bytes, whatever text is in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orjson


def dumps(value: object, default: Callable[[Any], Any] | None = None) -> bytes:
    """
    `value` as JSON in UTF-8.

    Headers that are no UTF-8 reach us with lone surrogates in them, which cannot be encoded:
    they become `?`.
    """
    try:
        return orjson.dumps(value, default)
    except TypeError:
        text = json.dumps(value, default=default, ensure_ascii=False, separators=(",", ":"))
        return text.encode(errors="replace")
