"""For tests of plugins: the kit, real recordings, a Letta to test against, a gateway.

    from gateway.testing import assert_grammar, assert_split_invariant, merged, run

    kit          run events through a plugin, and prove that cuts do not matter
    fakeletta    a Letta server without a model, a database or a key
    recordings   real answers of a Letta server
    serving      a real gateway with your plugin in its pipeline

Where pytest finds letta-gateway installed it has the fixtures `gateway_with` and
`openai_client`; see `gateway.testing.pytest_plugin`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from gateway.testing import recordings
    from gateway.testing.fakeletta import Ask, FakeLetta, Fault, Script, ServerTool, Step, ToolUse
    from gateway.testing.kit import (
        ManualClock,
        assert_grammar,
        assert_split_invariant,
        context,
        fed,
        merged,
        run,
        splittings,
        started,
    )
    from gateway.testing.serving import Answer, GatewayWith, Served, served

__all__ = [
    "Answer",
    "Ask",
    "FakeLetta",
    "Fault",
    "GatewayWith",
    "ManualClock",
    "Script",
    "Served",
    "ServerTool",
    "Step",
    "ToolUse",
    "assert_grammar",
    "assert_split_invariant",
    "context",
    "fed",
    "merged",
    "recordings",
    "run",
    "served",
    "splittings",
    "started",
]

_ROOMS = {
    "fakeletta": ("Ask", "FakeLetta", "Fault", "Script", "ServerTool", "Step", "ToolUse"),
    "serving": ("Answer", "GatewayWith", "Served", "served"),
}


def __getattr__(name: str) -> Any:
    # What is not used is not loaded: pytest imports this package wherever it is installed.
    if name not in __all__ or name == "recordings":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    room = next((room for room, names in _ROOMS.items() if name in names), "kit")
    return getattr(import_module(f"{__name__}.{room}"), name)
