"""Vercel's AI SDK with `@ai-sdk/openai-compatible`."""

from __future__ import annotations

from typing import ClassVar

from tests.clients.node_driver import NodeDriver
from tests.clients.node_packages import VERCEL_AI


class VercelAI(NodeDriver):
    """`streamText` and `generateText`."""

    clients: ClassVar = VERCEL_AI
