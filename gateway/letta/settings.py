"""What a conversation's own settings can do: Letta hands them to the model's provider.

A conversation that has settings gets its whole model from them: whatever they leave out is as
Letta's defaults have it, and not as the agent has it. So all of the agent's are repeated, and
where that cannot be done an agent's conversations carry none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.settings import Settings


State = Mapping[str, Any]

SAMPLING = frozenset({"temperature", "max_tokens"})
FORMATS = frozenset({"json_object", "json_schema"})

# What Letta's clients of these providers send on. Those of Anthropic, Bedrock and Z.ai are not
# among them: whether the model thinks would be as Letta's defaults have it.
CARRIED: Mapping[str, frozenset[str]] = {
    "openai": SAMPLING | FORMATS,  # and all that Letta speaks to alike: Ollama, vLLM, LM Studio
    "azure": SAMPLING | FORMATS,
    "openrouter": SAMPLING | FORMATS,
    "sglang": SAMPLING | FORMATS,
    "xai": SAMPLING | FORMATS,
    "deepseek": SAMPLING,  # refuses schemas
    "google_ai": SAMPLING,
    "google_vertex": SAMPLING,
    "groq": SAMPLING,  # refuses a format where there are tools
    "together": SAMPLING,
}

# Letta asks these over the Responses API, with no temperature and no plain JSON.
REASONERS = ("o1", "o3", "o4", "gpt-5")


def carries_of(state: State) -> frozenset[str]:
    """The names of the settings that conversations with this agent can carry."""
    config, own = state.get("llm_config") or {}, state.get("model_settings") or {}
    if not state.get("model") or _lost(config):
        return frozenset()
    carried = CARRIED.get(str(own.get("provider_type")), frozenset())
    if str(config.get("model")).startswith(REASONERS):
        return carried - {"temperature", "json_object"}
    return carried


def _lost(config: State) -> bool:
    """Whether the agent's model has what a conversation's settings have no word for."""
    return config.get("frequency_penalty") is not None or config.get("verbosity") not in {
        None,
        "medium",
    }


def conversation_settings(state: State, wanted: Settings) -> dict[str, Any]:
    """What a conversation with this agent is made with: the agent's own settings but for these."""
    config = state.get("llm_config") or {}
    own = {key: value for key, value in state["model_settings"].items() if value is not None}
    # What Letta shows for these is not what it goes by.
    own["parallel_tool_calls"] = bool(config.get("parallel_tool_calls"))
    own.pop("max_output_tokens", None)
    if config.get("max_tokens") is not None:
        own["max_output_tokens"] = config["max_tokens"]
    if "reasoning" in own and config.get("reasoning_effort") is None:
        own["reasoning"] = {"reasoning_effort": "none"}  # which leaves it to the provider
    if config.get("response_format") is not None:
        own["response_format"] = config["response_format"]
    asked = {
        "temperature": wanted.temperature,
        "max_output_tokens": wanted.max_tokens,
        "response_format": wanted.format,
    }
    own |= {key: value for key, value in asked.items() if value is not None}
    return {"model": state["model"], "model_settings": own}
