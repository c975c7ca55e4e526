"""Mappings within mappings."""

from __future__ import annotations

from gateway.mappings import merged


def test_merged() -> None:
    """What is in both is taken from the second; mappings in both are merged in turn."""
    under = {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "f": {"g": 4}}
    over = {"a": 5, "b": {"d": {"h": 6}}, "f": 7}
    assert merged(under, over) == {"a": 5, "b": {"c": 2, "d": {"e": 3, "h": 6}}, "f": 7}
    assert under == {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "f": {"g": 4}}
