"""Where a request wants its answer to end: `stop`, `max_completion_tokens`, `max_tokens`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from gateway.plugin import Reject


MOST_STOPS = 4
LENGTHS = ("max_completion_tokens", "max_tokens")


def stops_of(body: Mapping[str, Any]) -> tuple[str, ...]:
    """
    The texts at which the answer ends.

    Raises:
        Reject: They are no texts, or too many.
    """
    value = body.get("stop")
    if value is None:
        return ()
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        _refuse("stop", "'stop' must be text, or a list of texts.", "invalid_type")
    if len(stops) > MOST_STOPS:
        _refuse("stop", f"'stop' has {len(stops)} entries; {MOST_STOPS} is the most.")
    if not all(stops):
        _refuse("stop", "'stop' must not be an empty text: every answer would be empty.")
    return tuple(dict.fromkeys(stops))


def length_of(body: Mapping[str, Any]) -> int | None:
    """
    The longest answer, in tokens. Of the two fields the newer counts.

    Raises:
        Reject: It is no number of tokens.
    """
    lengths = [_tokens(body.get(field), field) for field in LENGTHS]
    return next((length for length in lengths if length is not None), None)


def _tokens(value: object, field: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse(field, f"'{field}' must be a whole number.", "invalid_type")
    if value < 1:
        _refuse(field, f"'{field}' must be at least 1.")
    return value


def _refuse(param: str, text: str, code: str = "invalid_value") -> NoReturn:
    raise Reject(400, code, text, param=param)
