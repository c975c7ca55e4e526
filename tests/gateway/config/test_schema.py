from __future__ import annotations

import json

import pytest
from jsonschema import Draft7Validator

from gateway.config.schema import schema, written
from gateway.registry import Broken, find, installed
from tests.gateway.sample_plugins import HERE


KNOWN = [
    *installed(),
    find(f"{HERE}:Loud"),
    find(f"{HERE}:Unread"),
    Broken("broken", "acme 1.0", "it cannot be imported"),
]
VALIDATOR = Draft7Validator(schema(KNOWN))


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"store": "memory"},
        {"store": {"use": "memory"}},
        {"store": {"path": "gateway.db"}},
        {"store": {"use": "${STORE}"}},
        {"store": "${STORE}"},
        {"pipeline": [{"use": "acme.plugin:Class", "config": {"anything": 1}}]},
        {"pipeline": [{"use": f"{HERE}:Loud", "config": {"times": 2}, "on_failure": "bypass"}]},
        {"pipeline": [{"use": f"{HERE}:Unread", "config": {"a": 1}}, {"use": "broken"}]},
        {"pipelines": {"quick": [{"use": "agent_resolver"}]}},
        {"models": [{"id": "a", "agent": "b", "settings": {"sampling": {"carry": []}}}]},
        {"models": [{"id": "a", "agent": "b", "settings": {"my-step": {"x": 1}}}]},
        {"routes": [{"pipeline": "quick", "models": ["a*"], "keys": ["web"]}]},
    ],
)
def test_accepts(data):
    """What `check-config` may find right, an editor does not complain of."""
    VALIDATOR.validate(data)


@pytest.mark.parametrize(
    "data",
    [
        {"serve": {}},
        {"store": "postgres"},
        {"store": {"use": "memory", "path": "gateway.db"}},
        {"pipeline": {}},
        {"pipeline": [{"config": {}}]},
        {"pipeline": [{"use": "sampling", "config": {"cary": []}}]},
        {"pipeline": [{"use": f"{HERE}:Loud", "config": {"mode": "shut"}}]},
        {"pipelines": {"quick": [{"use": "sampling", "config": {"cary": []}}]}},
        {"pipelines": {"pipeline": []}},
        {"pipelines": {"a/b": []}},
        {"models": [{"id": "a", "agent": "b", "settings": {"sampling": {"cary": []}}}]},
        {"models": [{"id": "a"}]},
        {"routes": [{"models": ["a"]}]},
    ],
)
def test_refuses(data):
    """An editor complains of what is wrong in any case."""
    assert not VALIDATOR.is_valid(data)


def test_written():
    """It is a file of JSON, of a draft that validators know."""
    found = json.loads(written(KNOWN))

    Draft7Validator.check_schema(found)
    assert found == schema(KNOWN)
