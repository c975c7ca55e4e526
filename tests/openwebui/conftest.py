"""One Open WebUI and one browser for all tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.letta_server.install import CannotInstall
from tests.missing import missing
from tests.openwebui.install import ensure
from tests.openwebui.page import Page
from tests.openwebui.stage import Stage, stage


@pytest_asyncio.fixture(name="stage", scope="package", loop_scope="package")
async def _stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Open WebUI over a demo."""
    try:
        commands = ensure(print)
    except CannotInstall as problem:
        missing(f"Open WebUI, because {problem}")
    async with stage(commands, tmp_path_factory.mktemp("open-webui")) as made:
        yield made


@pytest_asyncio.fixture(name="page", loop_scope="package")
async def _page(stage: Stage) -> AsyncIterator[Page]:
    """A page of the administrator's. It asks nobody but its own server."""
    async with stage.page() as page:
        yield page
        assert page.asked == []
