"""`letta-gateway demo`: the gateway over a built-in Letta, to see everything in a minute."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from gateway import lanes, logs, serve
from gateway.config import Config
from gateway.demo import demo_letta
from gateway.demo.agents import AGENTS
from gateway.reload import Source


KEY = "LETTA_GATEWAY_KEY"
PAGE = "/console/chat.html"


def run(
    out: Console,
    file: Path | None = None,
    *,
    host: str | None,
    port: int | None,
    log_format: str | None,
) -> None:
    """
    Serve the demo agents until SIGINT or SIGTERM.

    Args:
        file: A configuration; in place of its Letta and its store stand the demo's own.

    Raises:
        StartError: It cannot start; the message says what to do.
    """
    flags = {"server.host": host, "server.port": port, "log.format": log_format}
    serve.run_to_the_end(_demo(out, file, flags))


async def _demo(out: Console, file: Path | None, flags: Mapping[str, object]) -> None:
    async with demo_letta() as letta:
        over = {**flags, "letta.base_url": letta.url, "server.workers": 1, "store": "memory"}
        source = Source(file, _environment(file), over)
        config = source.load()
        logger = logs.configure(config.log.format, config.log.level)
        for warning in config.warnings:
            logger.warning("{}", warning)
        await serve.serve(source, config, logger, _announce(out, config if file else None))


def _environment(file: Path | None) -> Mapping[str, str]:
    """What the demo looks at: a file may name any variable, but its Letta is not that one."""
    letta = ("LETTA_BASE_URL", "LETTA_API_KEY")
    if file is None:
        return {name: value for name, value in os.environ.items() if name == KEY}
    return {name: value for name, value in os.environ.items() if name not in letta}


def _announce(out: Console, config: Config | None) -> Callable[[str], None]:
    def ready(url: str) -> None:
        key = ' -H "Authorization: Bearer $LETTA_GATEWAY_KEY"' if os.environ.get(KEY) else ""
        out.print(f"letta-gateway serves demo agents: no Letta, no model. [bold]{url}/v1[/]\n")
        if config is not None:
            for lane in lanes.lanes(config):
                out.print(f"  {escape(lane)}")
            out.print()
        for agent in AGENTS:
            out.print(f"  [bold]{escape(agent.name): <12}[/] {escape(agent.description)}")
        out.print(f"\nTry, in a browser: [bold]{url}{PAGE}[/]\n\nOr in another terminal:\n")
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
