from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.letta.settings import CARRIED, FORMATS, SAMPLING, carries_of, conversation_settings
from gateway.settings import Settings


SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}


def state(
    config: Mapping[str, Any] | None = None, own: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """An agent as Letta tells of it."""
    settings = {
        "max_output_tokens": 4096,
        "parallel_tool_calls": True,
        "provider_type": "openai",
        "temperature": 0.3,
        "reasoning": {"reasoning_effort": "minimal"},
        "response_format": None,
        "strict": False,
    }
    return {
        "model": "openai/gpt-4o",
        "llm_config": {"model": "gpt-4o", "parallel_tool_calls": False, **(config or {})},
        "model_settings": {**settings, **(own or {})},
        **more,
    }


class TestCarries:
    def test_openai(self):
        """Everything."""
        assert carries_of(state()) == {"temperature", "max_tokens", "json_object", "json_schema"}

    @pytest.mark.parametrize("provider", ["google_ai", "groq", "deepseek", "together"])
    def test_without_formats(self, provider):
        """Where Letta does not send them on, or the provider refuses them."""
        assert carries_of(state(own={"provider_type": provider})) == SAMPLING

    @pytest.mark.parametrize("provider", ["anthropic", "bedrock", "zai", None])
    def test_none(self, provider):
        """Where the model would think otherwise than the agent's does."""
        assert provider not in CARRIED
        assert carries_of(state(own={"provider_type": provider})) == frozenset()

    @pytest.mark.parametrize("model", ["o3-mini", "gpt-5.1"])
    def test_models_that_reason(self, model):
        """They take no temperature, and schemas alone."""
        assert carries_of(state({"model": model})) == {"max_tokens", "json_schema"}

    @pytest.mark.parametrize("lost", [{"frequency_penalty": 0.5}, {"verbosity": "low"}])
    def test_what_would_be_lost(self, lost):
        """An agent with settings of which a conversation knows nothing keeps them."""
        assert carries_of(state(lost)) == frozenset()
        assert carries_of(state({"frequency_penalty": None, "verbosity": "medium"})) >= FORMATS

    @pytest.mark.parametrize("absent", ["model", "model_settings", "llm_config"])
    def test_an_agent_that_has_no_handle(self, absent):
        """A conversation's settings need one to stand on, and a provider."""
        found = carries_of(state(**{absent: None}))
        assert found == (frozenset() if absent != "llm_config" else SAMPLING | FORMATS)


class TestConversationSettings:
    def test_the_rest_is_as_the_agent_has_it(self):
        """Also what Letta shows otherwise than it goes by."""
        assert conversation_settings(state(), Settings(max_tokens=10)) == {
            "model": "openai/gpt-4o",
            "model_settings": {
                "provider_type": "openai",
                "temperature": 0.3,
                "max_output_tokens": 10,
                "parallel_tool_calls": False,
                "reasoning": {"reasoning_effort": "none"},
                "strict": False,
            },
        }

    def test_what_is_asked(self):
        """It stands instead of the agent's own."""
        of = state(
            {
                "max_tokens": 500,
                "reasoning_effort": "low",
                "parallel_tool_calls": True,
                "response_format": {"type": "json_object"},
            },
            {"reasoning": {"reasoning_effort": "low"}},
        )
        mine = conversation_settings(of, Settings(temperature=0))["model_settings"]
        assert mine["temperature"] == 0
        assert mine["max_output_tokens"] == 500
        assert mine["reasoning"] == {"reasoning_effort": "low"}
        assert mine["parallel_tool_calls"] is True
        assert mine["response_format"] == {"type": "json_object"}
        theirs = conversation_settings(of, Settings(format=SCHEMA))["model_settings"]
        assert theirs["response_format"] == SCHEMA
        assert theirs["temperature"] == 0.3
