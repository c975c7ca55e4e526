"""`${NAME}` and `${NAME:-default}` in the text of a configuration file.

As in a shell, the default stands in for a variable that is unset or empty. `$${` is `${`
itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs


_VARIABLE = re.compile(
    r"\$\$\{"
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<else>:-(?P<default>[^{}]*))?\}"
    r"|\$\{"
)


class FromEnvironment(str):
    """
    Text that consists of one variable and nothing else.

    Where a number or true/false is asked for, this may become it, because the environment
    holds nothing but text. `source` is what the file says, `${PORT:-8284}` for example.
    """

    __slots__ = ("source",)
    source: str

    def __new__(cls, value: str, source: str) -> FromEnvironment:
        text = super().__new__(cls, value)
        text.source = source
        return text


def written(text: str, kind: Any) -> bool:
    """True if `text` says a number or true/false in the one form that is understood."""
    return kind in _FORMS and _FORMS[kind].fullmatch(text) is not None


_FORMS = {
    bool: re.compile(r"true|false"),
    int: re.compile(r"[+-]?[0-9]{1,18}"),
    float: re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?"),
}


@attrs.frozen
class Expansion:
    """A text with its variables replaced. `read` are the values taken from the environment."""

    text: str = attrs.field(repr=False)
    mistakes: tuple[str, ...] = ()
    read: frozenset[str] = attrs.field(default=frozenset(), repr=False)


def expand(text: str, environ: Mapping[str, str]) -> Expansion:
    """Replace the variables in `text` by their values."""
    mistakes: list[str] = []
    read: set[str] = set()

    def value(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        if match["name"] is None:
            mistakes.append("write ${NAME} or ${NAME:-default} ($${ stands for ${ itself)")
            return ""
        found = environ.get(match["name"])
        if match["else"] and not found:
            return str(match["default"])
        if found is None:
            mistakes.append(f"${{{match['name']}}} is not set in the environment")
            return ""
        read.add(found)
        return found

    expanded = _VARIABLE.sub(value, text)
    if (whole := _VARIABLE.fullmatch(text)) and whole["name"]:
        expanded = FromEnvironment(expanded, text)
    return Expansion(expanded, tuple(mistakes), frozenset(read - {""}))
