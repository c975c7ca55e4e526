"""docs/clients/README.md: the table of clients and abilities says what the tests show."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients import test_abilities
from tests.clients.drivers import DRIVERS
from tests.docs.pages import DOCS


TABLE = (DOCS / "clients" / "README.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?!client|---)(.+?) \|$", re.MULTILINE)
NOTE = re.compile(r"^\[\^(\w+)\]: (.+(?:\n  .+)*)", re.MULTILINE)
LINK = re.compile(r"\[(.+)\]\((.+)\)")

ABILITIES = re.search(r"^\| client \| (.+) \|$", TABLE, re.MULTILINE)[1].split(" | ")
ROWS = [row.split(" | ") for row in ROW.findall(TABLE)]


def test_the_rows_are_the_clients():
    """Every client that the tests run has a row, and a page of its own."""
    named = [LINK.fullmatch(row[0]) for row in ROWS]
    assert [found[1] for found in named] == list(DRIVERS)
    assert all((DOCS / "clients" / found[2]).exists() for found in named)


def test_the_columns_are_the_tests():
    """Every ability has a test of its name, and every test of an ability a column."""
    tests = [name for name in vars(test_abilities) if name.startswith("test_")]
    assert [behind(ability).__name__ for ability in ABILITIES] == tests
    assert all(f"*{ability}*" in TABLE for ability in ABILITIES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_yes_is_a_test_that_is_run(row):
    """It is run with this client; where it is not, the cell's note has the client's own words."""
    client, *cells = row
    driver = DRIVERS[LINK.fullmatch(client)[1]]
    notes = {name: " ".join(text.split()) for name, text in NOTE.findall(TABLE)}
    for ability, cell in zip(ABILITIES, cells, strict=True):
        runs = next(mark for mark in marks(ability) if mark.name == "parametrize")
        if cell == "yes":
            assert LINK.fullmatch(client)[1] in runs.args[1], ability
        else:
            assert driver.limits[ability] in notes[cell[2:-1]]


@pytest.mark.parametrize("ability", ABILITIES)
def test_no_test_of_an_ability_is_left_out(ability):
    """None is skipped, and none is expected to fail."""
    assert {mark.name for mark in marks(ability)} == {"parametrize"}


def marks(ability: str) -> list[pytest.Mark]:
    found: list[pytest.Mark] = behind(ability).pytestmark
    return found


def behind(ability: str) -> Callable[..., Any]:
    """The test behind a column."""
    test: Any = vars(test_abilities)[f"test_{ability.lower().replace(' ', '_')}"]
    return test
