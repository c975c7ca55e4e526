"""`config/gateway.schema.json`, which editors read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from tests.config.schema_file import FILE, current


SHIPPED = sorted(FILE.parent.glob("*.yaml"))


def test_it_is_current() -> None:
    """It says what the classes say."""
    assert FILE.read_text(encoding="utf-8") == current(), (
        "the settings are others: `python -m tests.config.schema_file` writes the schema anew"
    )


def test_it_is_a_schema() -> None:
    """Validators take it."""
    Draft7Validator.check_schema(json.loads(current()))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped(path: Path) -> None:
    """Every file that is shipped fits, and names it, so that editors find it."""
    text = path.read_text(encoding="utf-8")

    Draft7Validator(json.loads(current())).validate(YAML(typ="safe", pure=True).load(text))
    assert text.startswith(f"# yaml-language-server: $schema={FILE.name}\n")
