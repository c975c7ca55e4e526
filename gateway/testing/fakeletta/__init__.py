"""FakeLetta: a Letta server to test and try things with. See `server`."""

from __future__ import annotations

from gateway.testing.fakeletta.faults import Fault
from gateway.testing.fakeletta.model import Ask, Script
from gateway.testing.fakeletta.server import FakeLetta, Request
from gateway.testing.fakeletta.state import Conversation, FakeAgent, Run
from gateway.testing.fakeletta.steps import Step, ToolUse
from gateway.testing.fakeletta.tools import ServerTool


__all__ = [
    "Ask",
    "Conversation",
    "FakeAgent",
    "FakeLetta",
    "Fault",
    "Request",
    "Run",
    "Script",
    "ServerTool",
    "Step",
    "ToolUse",
]
