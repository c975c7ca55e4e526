"""The command `letta-gateway`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway import __version__, lanes, logs, registry, serve
from gateway.assemble import Gateway, assemble
from gateway.config import Config, load
from gateway.config.describe import settings_of
from gateway.errors import ConfigError, GatewayError


out = Console(highlight=False, soft_wrap=True)

COMMON = (
    click.option("--host", help="The address to listen on."),
    click.option("--port", type=click.IntRange(0, 65535), help="The TCP port; 0 takes any."),
    click.option("--log-format", type=click.Choice(["text", "json"]), help="How to log."),
)


def listening(command: Callable[..., None]) -> Callable[..., None]:
    """The options of whatever listens."""
    for option in reversed(COMMON):
        command = option(command)
    return command


@contextmanager
def told(*, as_json: bool = False) -> Iterator[None]:
    """Whatever is wrong is told in one line a problem, without a traceback; exit status 1."""
    try:
        yield
    except GatewayError as exc:
        problems = exc.problems if isinstance(exc, ConfigError) else ()
        if as_json:
            found = [attrs.asdict(problem) for problem in problems] or [{"what": str(exc)}]
            click.echo(json.dumps({"ok": False, "problems": found}, indent=2))
        elif problems:
            click.echo("\n".join(str(problem) for problem in problems), err=True)
        else:
            click.echo(f"letta-gateway: {exc}", err=True)
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="letta-gateway")
def main() -> None:
    """Letta agents for anything that speaks the OpenAI API."""


@main.command("serve")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    envvar="LETTA_GATEWAY_CONFIG",
    help="The YAML file; without one, the built-in pipeline.",
)
@listening
@click.option("--workers", type=click.IntRange(1), help="How many processes share the port.")
def serve_command(
    file: Path | None,
    host: str | None,
    port: int | None,
    log_format: str | None,
    workers: int | None,
) -> None:
    """Serve the agents of a Letta server (LETTA_BASE_URL, LETTA_API_KEY)."""
    flags = {
        "server.host": host,
        "server.port": port,
        "server.workers": workers,
        "log.format": log_format,
    }
    with told():
        config = load(file, environ=os.environ, overrides=flags)
        serve.run(config, logs.configure(config.log.format, config.log.level), _announce(config))


def _announce(config: Config) -> Callable[[Gateway, str], None]:
    def ready(_: Gateway, url: str) -> None:
        key = "one of its keys" if config.keys else "any key"
        out.print(f"letta-gateway {__version__} serves [bold]{escape(config.letta.base_url)}[/]")
        for lane in lanes.lanes(config):
            out.print(f"  {escape(lane)}")
        out.print(f"  OpenAI base URL [bold]{url}/v1[/], API key: {key}")

    return ready


@main.command("demo")
@listening
def demo_command(host: str | None, port: int | None, log_format: str | None) -> None:
    """Serve demo agents: no Letta, no model and no key needed."""
    from gateway.demo.command import run  # noqa: PLC0415  a test server is not loaded to serve

    with told():
        run(out, host=host, port=port, log_format=log_format)


@main.command("check-config")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--start", is_flag=True, help="Also start the plugins, and ask Letta and the store.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_config(file: Path, start: bool, as_json: bool) -> None:
    """Check a YAML file: every mistake with its place; both lanes if there is none."""
    with told(as_json=as_json):
        config = load(file, environ=os.environ)
        if start:
            asyncio.run(_start(config))
    if as_json:
        found = {"ok": True, "steps": lanes.steps(config), "disabled": config.disabled}
        click.echo(json.dumps(found, indent=2))
        return
    for lane in lanes.lanes(config):
        out.print(escape(lane))
    out.print(_table(lanes.steps(config)))
    for step in config.disabled:
        out.print(f"disabled: {escape(step)}")


async def _start(config: Config) -> None:
    async with assemble(config, logs.configure("text", "warning")) as gateway:
        await serve.check_letta(gateway, config.letta.base_url)
        await gateway.store.ping()


@main.command("plugins")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plugins_command(name: str | None, as_json: bool) -> None:
    """List the plugins that are installed, or the settings of one."""
    with told(as_json=as_json):
        rows = [_summary(found) for found in registry.installed()] if name is None else _of(name)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif rows:
        out.print(_table(rows))
    else:
        out.print("no settings")


def _summary(found: registry.Found | registry.Broken) -> dict[str, Any]:
    about = found.reason if isinstance(found, registry.Broken) else _first_line(found.plugin_class)
    return {"plugin": found.name, "origin": found.origin, "about": about}


def _first_line(plugin: type) -> str:
    return (plugin.__doc__ or "").strip().partition("\n")[0]


def _of(name: str) -> list[dict[str, Any]]:
    settings = settings_of(registry.find(name).plugin_class.config_class())
    return [attrs.asdict(setting) for setting in settings]


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in rows[0] if rows else ():
        table.add_column(column)
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row.values()))
    return table
