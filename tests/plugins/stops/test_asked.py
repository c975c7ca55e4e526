from __future__ import annotations

import pytest

from gateway.errors import Reject
from plugins.stops.asked import length_of, stops_of


@pytest.mark.parametrize(
    ("sent", "stops"),
    [
        ({}, ()),
        ({"stop": None}, ()),
        ({"stop": []}, ()),
        ({"stop": "END"}, ("END",)),
        ({"stop": ["a", "b", "a"]}, ("a", "b")),
    ],
)
def test_stops(sent, stops):
    """One text or several; nothing asks for nothing."""
    assert stops_of(sent) == stops


@pytest.mark.parametrize(
    ("stop", "code"),
    [
        (5, "invalid_type"),
        ({"a": 1}, "invalid_type"),
        (["a", 1], "invalid_type"),
        ("", "invalid_value"),
        (["a", ""], "invalid_value"),
        (list("abcde"), "invalid_value"),
    ],
)
def test_what_is_no_stop(stop, code):
    """It is refused, and the field named."""
    with pytest.raises(Reject) as caught:
        stops_of({"stop": stop})
    reject = caught.value
    assert (reject.status, reject.code, reject.param) == (400, code, "stop")


@pytest.mark.parametrize(
    ("sent", "length"),
    [
        ({}, None),
        ({"max_tokens": None}, None),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 5, "max_tokens": 7}, 5),
    ],
)
def test_lengths(sent, length):
    """Of two fields the newer counts."""
    assert length_of(sent) == length


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(
    ("value", "code"),
    [(0, "invalid_value"), (-1, "invalid_value"), (1.5, "invalid_type"), (True, "invalid_type")],
)
def test_what_is_no_length(field, value, code):
    """It is refused, and the field named."""
    with pytest.raises(Reject) as caught:
        length_of({"max_completion_tokens": 5, field: value})
    reject = caught.value
    assert (reject.status, reject.code, reject.param) == (400, code, field)
