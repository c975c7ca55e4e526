"""`letta-gateway demo`: the gateway over a built-in Letta, to see everything in a minute."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.markup import escape

from gateway import logs, serve
from gateway.assemble import Gateway
from gateway.config import load
from gateway.demo import demo_letta
from gateway.demo.agents import AGENTS


KEY = "LETTA_GATEWAY_KEY"


def run(out: Console, *, host: str | None, port: int | None, log_format: str | None) -> None:
    """
    Serve the demo agents until SIGINT or SIGTERM.

    Raises:
        StartError: It cannot start; the message says what to do.
    """
    flags = {"server.host": host, "server.port": port, "log.format": log_format}
    serve.run_to_the_end(_demo(out, flags))


async def _demo(out: Console, flags: Mapping[str, object]) -> None:
    async with demo_letta() as letta:
        over = {**flags, "letta.base_url": letta.url, "store": "memory"}
        keys = {name: os.environ[name] for name in (KEY,) if name in os.environ}
        config = load(None, environ=keys, overrides=over)
        logger = logs.configure(config.log.format, config.log.level)
        await serve.serve(config, logger, _announce(out))


def _announce(out: Console) -> Callable[[Gateway, str], None]:
    def ready(_: Gateway, url: str) -> None:
        key = ' -H "Authorization: Bearer $LETTA_GATEWAY_KEY"' if os.environ.get(KEY) else ""
        out.print(f"letta-gateway serves demo agents: no Letta, no model. [bold]{url}/v1[/]\n")
        for agent in AGENTS:
            out.print(f"  [bold]{escape(agent.name): <12}[/] {escape(agent.description)}")
        out.print("\nTry, in another terminal:\n")
        for command in commands(url, key):
            out.print(f"  {escape(command)}\n")

    return ready


def commands(url: str, key: str = "") -> list[str]:
    """Three commands that show what there is."""
    said = '{"model": "Milo", "stream": true, "messages": [{"role": "user", "content": "Hi!"}]}'
    table = said.replace("Milo", "Tables").replace("Hi!", "Show me a table")
    post = f"{url}/v1/chat/completions{key} -H 'Content-Type: application/json'"
    return [
        f"curl -N {post} -d '{said}'",
        f"curl -N {post} -d '{table}'",
        f"curl {url}/v1/models{key}",
    ]
