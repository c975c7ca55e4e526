from __future__ import annotations

from gateway.settings import NO_SETTINGS, Settings


SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
ALL = Settings(0.0, 10, SCHEMA)


def test_what_is_asked():
    """Each by its name, and a format by its type; zero is a temperature."""
    assert ALL.asked == {"temperature", "max_tokens", "json_schema"}
    assert NO_SETTINGS.asked == frozenset()


def test_the_fields_of_a_request():
    """A length has two."""
    assert Settings(max_tokens=1).fields == {"max_tokens", "max_completion_tokens"}
    assert Settings(temperature=1).fields == {"temperature"}
    assert Settings(format=SCHEMA).fields == {"response_format"}
    assert NO_SETTINGS.fields == frozenset()


def test_only_some():
    """The others are as the agent has them."""
    assert ALL.only(["temperature", "json_object"]) == Settings(temperature=0.0)
    assert ALL.only(["json_schema", "max_tokens"]) == Settings(max_tokens=10, format=SCHEMA)
    assert ALL.only(ALL.asked) == ALL
    assert NO_SETTINGS.only(["temperature"]) == NO_SETTINGS
