"""Everything that a Letta server needs, brought up in order and ended in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import attrs

from tests.letta_server.install import Installation
from tests.letta_server.postgres import postgres
from tests.letta_server.process import Program, free_ports, running
from tests.letta_server.redis import redis, redis_server
from tests.letta_server.scripted_model import scripted_model


SERVE = Path(__file__).with_name("letta_process.py")


@attrs.frozen
class Addresses:
    """Where the parts of a running server are."""

    url: str
    model_url: str
    has_redis: bool
    log: str


@asynccontextmanager
async def letta(installation: Installation, work: Path) -> AsyncIterator[Addresses]:
    """A Letta server with all that it needs; whatever is written goes into `work`."""
    database_port, redis_port, port = free_ports(3)
    server = redis_server()
    async with AsyncExitStack() as stack:
        model_url = await stack.enter_async_context(scripted_model())
        database = await stack.enter_async_context(
            postgres(installation.packages, work, database_port)
        )
        if server:
            await stack.enter_async_context(redis(server, work, redis_port))
        env = _environment(database, model_url, work, redis_port if server else None)
        program = _program(installation, work, port, env)
        await stack.enter_async_context(running(program))
        yield Addresses(_url(port), model_url, bool(server), str(program.log))


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _program(installation: Installation, work: Path, port: int, env: dict[str, str]) -> Program:
    async def healthy() -> bool:
        try:
            async with aiohttp.request("GET", f"{_url(port)}/v1/health/") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    return Program(
        name="letta",
        command=(installation.python, "-P", SERVE, "127.0.0.1", str(port)),
        work=work,
        answers=healthy,
        env=env,
    )


def _environment(
    database: str, model_url: str, work: Path, redis_port: int | None
) -> dict[str, str]:
    env = {
        "LETTA_PG_URI": database,
        "LETTA_DIR": str(work / "letta"),
        "LETTA_DISABLE_TRACING": "true",
        "OPENAI_API_KEY": "sk-scripted",
        "OPENAI_BASE_URL": f"{model_url}/v1",
    }
    if redis_port:
        env |= {"LETTA_REDIS_HOST": "127.0.0.1", "LETTA_REDIS_PORT": str(redis_port)}
    return env
