from __future__ import annotations

import pytest

from plugins.formats.reference import target


SCHEMA = {
    "$defs": {"a/b": {"type": "null"}, "c~d": {}, "é f": True},
    "anyOf": [{"type": "string"}, {"type": "number"}],
}


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("#", SCHEMA),
        ("#/$defs/a~1b", {"type": "null"}),
        ("#/$defs/c~0d", {}),
        ("#/%24defs/%C3%A9%20f", True),
        ("#/anyOf/1", {"type": "number"}),
        ("#/anyOf/0/type", "string"),
    ],
)
def test_places(reference, found):
    """They are named as in an address."""
    assert target(SCHEMA, reference) == found


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "#name",
        "/anyOf/0",
        "http://schemas.example/a",
        "http://[",
        "#/",
        "#/$defs/A",
        "#/anyOf/2",
        "#/anyOf/-1",
        "#/anyOf/01",
        "#/anyOf/x",
        "#/anyOf/" + "1" * 5_000,
        "#/anyOf/0/type/0",
    ],
)
def test_nothing_there(reference):
    """Nothing is fetched, and no place but these is looked for."""
    with pytest.raises(LookupError):
        target(SCHEMA, reference)
