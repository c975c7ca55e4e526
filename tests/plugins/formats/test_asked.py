from __future__ import annotations

import pytest

from gateway.errors import Reject
from plugins.formats.asked import format_of


def by_schema(**json_schema: object) -> dict[str, object]:
    return {"response_format": {"type": "json_schema", "json_schema": json_schema}}


@pytest.mark.parametrize(
    "body", [{}, {"response_format": None}, {"response_format": {"type": "text"}}]
)
def test_any_text(body):
    """Nothing is asked for."""
    assert format_of(body) is None


def test_an_object():
    """Any, and it cannot be done without."""
    wanted = format_of({"response_format": {"type": "json_object"}})
    assert wanted
    assert wanted.strict
    assert wanted.shape.wrong('{"a": 1}') is None
    assert wanted.shape.wrong("[1]") is not None
    assert wanted.as_sent == {"type": "json_object"}
    assert wanted.demand.endswith("It must be a JSON object.")


@pytest.mark.parametrize("strict", [True, False, None])
def test_a_schema(strict):
    """Said to the agent as it is, and passed on as it came."""
    body = by_schema(name="x", schema={"type": "integer"}, strict=strict)
    wanted = format_of(body)
    assert wanted
    assert wanted.strict is bool(strict)
    assert wanted.shape.wrong("5") is None
    assert wanted.as_sent == body["response_format"]
    assert wanted.demand.endswith('{"type":"integer"}')


def test_no_schema_at_all():
    """Any JSON will do."""
    wanted = format_of(by_schema(name="x"))
    assert wanted
    assert wanted.shape.wrong("[1]") is None
    assert wanted.shape.wrong("no") is not None


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"response_format": "json"}, "invalid_type", ""),
        ({"response_format": {}}, "unsupported_value", ".type"),
        ({"response_format": {"type": "xml"}}, "unsupported_value", ".type"),
        ({"response_format": {"type": "json_schema"}}, "invalid_type", ".json_schema"),
        (by_schema(schema={}), "invalid_value", ".json_schema.name"),
        (by_schema(name="a b"), "invalid_value", ".json_schema.name"),
        (by_schema(name="a", schema=[]), "invalid_type", ".json_schema.schema"),
        (by_schema(name="a", schema={"type": "x"}), "invalid_schema", ".json_schema.schema"),
        (by_schema(name="a", schema={"$ref": "#/a"}), "invalid_schema", ".json_schema.schema"),
    ],
)
def test_what_is_no_format(body, code, param):
    """It is refused, and its place named."""
    with pytest.raises(Reject) as caught:
        format_of(body)
    reject = caught.value
    assert (reject.status, reject.code, reject.param) == (400, code, f"response_format{param}")
