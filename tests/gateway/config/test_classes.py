from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
from attrs.validators import deep_iterable, ge, matches_re

from gateway.config.mistakes import Mistake
from gateway.config.strict import structure


if TYPE_CHECKING:
    from decimal import Decimal


@attrs.frozen
class Range:
    low: int = attrs.field(default=0, validator=ge(0))
    high: int = attrs.field(default=9)
    name: str = ""

    @high.validator
    def _above(self, _, value):
        if value < self.low:
            raise ValueError("high must not be below low")


@attrs.frozen
class Needy:
    name: str
    key: str


@attrs.frozen
class Guarded:
    key: str = attrs.field(default="k-", repr=False, validator=matches_re("k-.*"))
    keys: list[str] = attrs.field(
        factory=list, repr=False, validator=deep_iterable(matches_re("k-.*"))
    )


@attrs.frozen
class Whole:
    _one: int = attrs.field(default=1, converter=abs, validator=ge(0))

    def __attrs_post_init__(self):
        if self._one == 13:
            raise ValueError("13 brings bad luck")


@attrs.frozen
class Unknowable:
    amount: Decimal | None = None


@attrs.frozen
class Nothing:
    pass


def mistakes(data, config_class):
    return [(mistake.at, mistake.what) for mistake in structure(data, config_class).mistakes]


def test_right():
    """A right mapping becomes the class, defaults included."""
    outcome = structure({"high": 5}, Range)

    assert outcome.value == Range(low=0, high=5)
    assert outcome.good == {"low": 0, "high": 5, "name": ""}


def test_unknown():
    """A key that the class does not have is marked as such, with the nearest right one."""
    assert structure({"hihg": 1}, Range).mistakes == (
        Mistake(("hihg",), 'unknown key; did you mean "high"?', key=True),
    )


def test_unknown_without_settings():
    """A class without settings says so."""
    assert mistakes({"a": 1}, Nothing) == [(("a",), "unknown key; there is nothing to set here")]


def test_missing():
    """Every missing key is told."""
    assert mistakes({}, Needy) == [(("name",), "is missing"), (("key",), "is missing")]


def test_misspelt_is_not_missing():
    """A misspelt key is one mistake, not two."""
    assert mistakes({"nmae": "a", "key": "b"}, Needy) == [
        (("nmae",), 'unknown key; did you mean "name"?')
    ]


@pytest.mark.parametrize("data", [[], "text", None, 3])
def test_no_mapping(data):
    """Anything but a mapping is refused."""
    ((at, what),) = mistakes(data, Range)

    assert at == ()
    assert what.startswith("expected a mapping, found")


def test_all_at_once():
    """Unknown keys, wrong types and what validators refuse are told together."""
    assert set(mistakes({"lo": 1, "name": 3, "low": -1, "high": -2}, Range)) == {
        (("lo",), 'unknown key; did you mean "low"?'),
        (("name",), "expected text, found a whole number (put it in quotes)"),
        (("low",), "must be >= 0: -1"),
        (("high",), "high must not be below low"),
    }


def test_good():
    """What is right is known in spite of the mistakes; a wrong field does not get its default."""
    outcome = structure({"low": -1, "high": 4, "nam": "x"}, Range)

    assert outcome.value is None
    assert outcome.good == {"high": 4, "name": ""}


def test_validator_of_wrong_neighbour():
    """A validator that looks at a field that is wrong itself adds nothing."""
    assert mistakes({"low": "x", "high": 4}, Range) == [
        (("low",), "expected a whole number, found text")
    ]


@pytest.mark.parametrize(
    ("data", "at"), [({"key": "s3cret"}, ("key",)), ({"keys": ["k-1", "s3cret"]}, ("keys",))]
)
def test_secret(data, at):
    """What the class does not show in its repr is not shown by its validators either."""
    ((where, what),) = mistakes(data, Guarded)

    assert at == where
    assert "must match" in what
    assert "s3cret" not in what


def test_whole_class():
    """What the class as a whole refuses is told for the whole."""
    assert mistakes({"one": 13}, Whole) == [((), "13 brings bad luck")]


def test_alias_and_converter():
    """A private field goes by its public name, and its converter is the class's business."""
    assert structure({"one": -3}, Whole).value == Whole(one=-3)


def test_unknown_type():
    """A type that exists only for type checkers is told by name."""
    ((_, what),) = mistakes({}, Unknowable)

    assert "Unknowable has a type that is not known" in what
    assert "Decimal" in what
