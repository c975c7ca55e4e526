"""The wrong files, and what is told of them: see `cases.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft7Validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gateway.cli import main
from tests.config.cases import Case, cases
from tests.config.schema_file import FILE


CASES = cases()
READ = ("LETTA_BASE_URL", "LETTA_API_KEY", "LETTA_GATEWAY_KEY", "LETTA_GATEWAY_CONFIG")

# What stands for a secret in them.
SECRET = "s3cret"

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@each_case
def test_what_is_told(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All mistakes in the file, and nothing else, each with its place, and never a secret."""
    monkeypatch.chdir(tmp_path)
    Path("gateway.yaml").write_bytes(case.text)

    environ: dict[str, str | None] = {**dict.fromkeys(READ), **case.environ}
    result = CliRunner().invoke(main, ["check-config", "gateway.yaml"], env=environ)

    assert result.stderr == case.told
    assert result.exit_code == (1 if case.told else 0)
    assert SECRET not in result.output


@each_case
def test_what_an_editor_tells(case: Case) -> None:
    """The schema refuses what it can know to be wrong."""
    schema = json.loads(FILE.read_text(encoding="utf-8"))

    if case.schema == "no YAML":
        with pytest.raises((YAMLError, UnicodeDecodeError)):
            _loaded(case.text)
    else:
        accepted = Draft7Validator(schema).is_valid(_loaded(case.text))
        assert case.schema == ("accepts" if accepted else "refuses")


def _loaded(text: bytes) -> Any:
    data = YAML(typ="safe", pure=True).load(text.decode())
    return {} if data is None else data


def test_there_are_many() -> None:
    """They are about different things, and each says what."""
    assert len(CASES) >= 40
    assert len({case.about for case in CASES}) == len(CASES)
    assert {case.schema for case in CASES} == {"accepts", "refuses", "no YAML"}
