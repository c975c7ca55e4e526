"""Ids and dates."""

from __future__ import annotations

import re

import pytest

from gateway.testing.fakeletta import identity


@pytest.mark.parametrize("kind", ["agent", "conv", "message", "run", "step"])
def test_new_ids(kind: str) -> None:
    """A new id is one that Letta would take."""
    assert identity.well_formed(kind, identity.new_id(kind))
    assert not identity.well_formed(kind, f"{kind}-1")


@pytest.mark.parametrize(
    ("last", "index", "expected"),
    [("f2", 0, "80"), ("f2", 1, "81"), ("08", 0, "00"), ("7f", 2, "02")],
)
def test_otid(last: str, index: int, expected: str) -> None:
    """An otid is the message's id with its last bits counting the part."""
    message = f"message-8f509f48-5634-4f00-acbd-660bc24f09{last}"
    assert identity.otid(message, index) == f"8f509f48-5634-4f00-acbd-660bc24f09{expected}"


def test_one_before() -> None:
    """The id before another is smaller by one."""
    assert identity.one_before("message-8f509f48-5634-4f00-acbd-660bc24f0920").endswith("091f")


def test_dates() -> None:
    """Dates are in UTC, in the forms that Letta uses."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", identity.date())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", identity.instant())
    assert identity.clock().endswith("UTC+0000")
