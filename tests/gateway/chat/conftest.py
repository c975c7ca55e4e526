from __future__ import annotations

import pytest

from gateway.demo import demo_letta
from tests.gateway.serving import over


@pytest.fixture(name="demo")
async def _demo():
    """A Letta with the demo's agents, in this process."""
    async with demo_letta() as letta:
        yield letta


@pytest.fixture(name="gateway")
async def _gateway(demo, tmp_path):
    """A gateway over it."""
    async with over(demo.url, tmp_path, pipeline=None) as gateway:
        yield gateway
