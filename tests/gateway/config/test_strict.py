from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Optional

import attrs
import pytest

from gateway.config.strict import structure
from gateway.config.variables import FromEnvironment


class Colour(StrEnum):
    RED = "red"


@attrs.frozen
class Inner:
    one: int = 1


def outcome(kind, value):
    """Structure `value` as a field of type `kind`."""
    return structure({"field": value}, attrs.make_class("Made", {"field": attrs.field(type=kind)}))


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (str, "12", "12"),
        (int, 12, 12),
        (float, 1.5, 1.5),
        (float, 12, 12.0),
        (bool, False, False),
        (Path, "a/b", Path("a/b")),
        (Any, {"a": [1, None, "x"]}, {"a": [1, None, "x"]}),
        (list[str], ["a", "b"], ["a", "b"]),
        (tuple[int, ...], [1, 2], (1, 2)),
        (Sequence[int], [1, 2], (1, 2)),
        (frozenset[str], ["a", "a"], frozenset({"a"})),
        (list, [1, "a"], [1, "a"]),
        (list[Inner], [{"one": 2}, {}], [Inner(2), Inner()]),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Mapping[str, Any], {"a": [1]}, {"a": [1]}),
        (Literal["a", "b"], "a", "a"),
        (Literal[1, 2], 2, 2),
        (int | None, None, None),
        (int | None, 3, 3),
        (Optional[str], "a", "a"),  # noqa: UP045  plugins may write it so
        (str | list[str], "a", "a"),
        (str | list[str], ["a"], ["a"]),
    ],
)
def test_right(kind, value, expected):
    """What fits is taken as it is."""
    made = outcome(kind, value)

    assert made.mistakes == ()
    assert made.value.field == expected
    assert type(expected) is type(made.value.field)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (str, 12),
        (str, True),
        (str, None),
        (int, "12"),
        (int, 12.0),
        (int, True),
        (float, "1.5"),
        (float, False),
        (float, float("inf")),
        (float, float("nan")),
        (bool, "false"),
        (bool, 0),
        (Path, 12),
        (list[str], "abc"),
        (list[str], {"a": 1}),
        (tuple[str, ...], "abc"),
        (dict[str, int], [1]),
        (Literal["a"], "b"),
        (Literal[1], True),
        (Literal["a"], ["a"]),
        (int | None, "3"),
        (str | list[str], 3),
    ],
)
def test_wrong(kind, value):
    """Nothing is made to fit."""
    (mistake,) = outcome(kind, value).mistakes

    assert mistake.at == ("field",)
    assert mistake.what.startswith("expected ")


class Shout(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "kind", [Colour, Shout, deque, dict[int, str], tuple[int, str], bytes, complex]
)
def test_refused(kind):
    """A type for which there is no strict reading is refused, rather than read loosely."""
    (mistake,) = outcome(kind, ["red"]).mistakes

    assert "is not one that a file can give" in mistake.what


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (int, "8000", 8000),
        (float, "1.5", 1.5),
        (bool, "true", True),
        (bool, "false", False),
        (str, "8000", "8000"),
        (Path, "a", Path("a")),
        (Literal["a"], "a", "a"),
        (Any, "a", "a"),
        (int | None, "8000", 8000),
    ],
)
def test_from_environment(kind, text, expected):
    """A variable that stands alone becomes what is asked for, and leaves no trace of itself."""
    made = outcome(kind, FromEnvironment(text, "${X}"))

    assert made.value.field == expected
    assert type(expected) is type(made.value.field)


def test_from_environment_wrong():
    """Where it cannot, the variable is named and its value is not."""
    (mistake,) = outcome(int, FromEnvironment("s3cret", "${PORT}")).mistakes

    assert mistake.what == "expected a whole number, found other text in ${PORT}"


def test_every_item():
    """All wrong items of lists and mappings are told, each with its place."""
    made = outcome(dict[str, list[int]], {"a": [1, "x"], "b": ["y", 2, None]})

    assert [mistake.at for mistake in made.mistakes] == [
        ("field", "a", 1),
        ("field", "b", 0),
        ("field", "b", 2),
    ]


def test_choice():
    """A wrong choice is told with all the right ones, and with the nearest."""
    (mistake,) = outcome(Literal["stateless", "agent"], "statless").mistakes

    assert mistake.what == 'expected one of: stateless, agent; did you mean "stateless"?'
