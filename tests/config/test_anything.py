"""Whatever stands anywhere in a file: it is told, and is never a traceback."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway import config
from gateway.errors import ConfigError


WHOLE = """\
server: {host: 127.0.0.1, allow_origins: [https://chat.example]}
letta: {api_key: key}
store: {use: sqlite, path: gateway.db}
keys:
  - {name: web, key: one}
pipeline:
  - {use: agent_resolver, id: first, config: {by: [id]}}
  - use: reasoning_mapper
pipelines:
  quick:
    - {use: reasoning_mapper, config: {into: []}}
models:
  - id: brief
    agent: Milo
    pipeline: quick
    capabilities: {vision: false}
    settings: {reasoning_mapper: {hidden: note}}
routes:
  - {pipeline: quick, models: [a], keys: [web]}
record: {directory: recordings}
"""
OTHERS: list[Any] = [None, True, "", "x", [[], "x"], {"x": None}]


def places(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where anything stands."""
    yield at
    known = dict(enumerate(data)) if isinstance(data, list) else data
    for key, value in known.items() if isinstance(known, dict) else ():
        yield from places(value, (*at, key))


@pytest.mark.parametrize("section", YAML(typ="safe").load(WHOLE))
def test_anything_anywhere(section: str, tmp_path: Path) -> None:
    """Each value of a file is replaced by values of all types."""
    whole = YAML(typ="safe").load(WHOLE)
    file = tmp_path / "gateway.yaml"

    for at in places(whole[section], (section,)):
        for other in OTHERS:
            data = copy.deepcopy(whole)
            around = data
            for key in at[:-1]:
                around = around[key]
            around[at[-1]] = other
            file.write_text(json.dumps(data))
            with suppress(ConfigError):
                config.load(file, environ={})
