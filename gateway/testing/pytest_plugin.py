"""Fixtures for tests of plugins. Pytest finds them by itself where letta-gateway is installed.

    def test_it_says_who_has_spoken(gateway_with):
        gateway = gateway_with([{"use": Footer, "config": {"note": "By a machine."}}])

        assert gateway.ask("Hello").endswith("By a machine.")

They need pytest alone, and go with whatever runs a test: the gateway has a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest


if TYPE_CHECKING:
    from openai import OpenAI

    from gateway.testing.serving import GatewayWith, Served

# Everything else is imported where it is used: pytest loads this module for everybody.


@pytest.fixture
def gateway_with() -> Iterator[GatewayWith]:
    """
    Start a gateway with these plugins in its pipeline, over a FakeLetta with the agent Milo.

    It runs until the end of the test; see `gateway.testing.served` for the arguments.
    """
    from gateway.testing.serving import served  # noqa: PLC0415

    with ExitStack() as stack:

        def start(*given: Any, **more: Any) -> Served:
            return stack.enter_context(served(*given, **more))

        yield start


@pytest.fixture
def openai_client() -> Iterator[Callable[[Served], OpenAI]]:
    """The official client of a gateway: `openai_client(gateway)`. Skips where it is missing."""
    why = "the official client is not installed: pip install openai"
    openai = pytest.importorskip("openai", reason=why)
    with ExitStack() as stack:

        def client(gateway: Served) -> OpenAI:
            made: OpenAI = openai.OpenAI(
                base_url=f"{gateway.url}/v1", api_key="sk-test", max_retries=0
            )
            return stack.enter_context(made)

        yield client
