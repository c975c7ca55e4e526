"""The command `letta-gateway`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import click
from rich.console import Console
from rich.markup import escape

from gateway import __version__, about, lanes, logs, registry, serve, tables
from gateway.addresses import shown
from gateway.assemble import assemble
from gateway.config import Config, load
from gateway.config import schema as file_schema
from gateway.config.settings import RedisSettings, SqliteSettings, StoreSettings
from gateway.errors import ConfigError, GatewayError, LettaError
from gateway.reload import Source
from gateway.workers import run as run_several


out = Console(highlight=False, soft_wrap=True)

COMMON = (
    click.option("--host", help="The address to listen on."),
    click.option("--port", type=click.IntRange(0, 65535), help="The TCP port; 0 takes any."),
    click.option("--log-format", type=click.Choice(["text", "json"]), help="How to log."),
)


# Of whatever runs the pipeline of a file, or else the built-in one.
configured = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    envvar="LETTA_GATEWAY_CONFIG",
    help="The YAML file; without one, the built-in pipeline.",
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


@main.command("serve", short_help="Serve the agents of a Letta server.")
@configured
@listening
@click.option("--workers", type=click.IntRange(1), help="How many processes share the port.")
@click.option("--record", metavar="DIR", help="Keep Letta's streams here, without their texts.")
@click.option("--watch", is_flag=True, help="Read the file anew when it changes, as at SIGHUP.")
def serve_command(
    file: Path | None,
    host: str | None,
    port: int | None,
    log_format: str | None,
    workers: int | None,
    record: str | None,
    watch: bool,
) -> None:
    """Serve the agents of a Letta server (LETTA_BASE_URL, LETTA_API_KEY)."""
    flags = {
        "server.host": host,
        "server.port": port,
        "server.workers": workers,
        "log.format": log_format,
        "record.directory": record,
    }
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to reload
    with told():
        source = Source(file, os.environ, flags, watched=watch)
        config = source.load()
        run = run_several if config.server.workers > 1 else serve.run
        logger = logs.configure(config.log.format, config.log.level)
        for warning in config.warnings:
            logger.warning("{}", warning)
        run(source, config, logger, _announce(config))


def _announce(config: Config) -> Callable[[str], None]:
    def ready(url: str) -> None:
        key = "one of its keys" if config.keys else "any key"
        letta, workers = escape(shown(config.letta.base_url)), config.server.workers
        several = f" with {workers} workers" if workers > 1 else ""
        out.print(f"letta-gateway {__version__} serves [bold]{letta}[/]{several}")
        for lane in lanes.lanes(config):
            out.print(f"  {escape(lane)}")
        out.print(f"  OpenAI base URL [bold]{url}/v1[/], API key: {key}")

    return ready


@main.command("demo")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    help="A YAML file: its pipeline, over the demo's agents.",
)
@listening
def demo_command(
    file: Path | None, host: str | None, port: int | None, log_format: str | None
) -> None:
    """Serve demo agents: no Letta, no model and no key needed."""
    from gateway.demo.command import run  # noqa: PLC0415  a test server is not loaded to serve

    with told():
        run(out, file, host=host, port=port, log_format=log_format)


@main.command("new-plugin")
@click.argument("name")
def new_plugin_command(name: str) -> None:
    """Write a small plugin, with tests, into a new folder NAME."""
    from gateway.scaffold import new_plugin  # noqa: PLC0415  only this command needs it

    with told():
        folder = new_plugin(name, Path.cwd())
        out.print(f"{escape(folder.name)} is a plugin that works. In its folder:\n")
        out.print("  pip install --editable '.[test]'", markup=False)
        out.print("  pytest")
        out.print("  letta-gateway demo --config gateway.yaml")


@main.command("replay", short_help="Show what each plugin makes of a recorded stream.")
@click.argument("recording")
@configured
@click.option("--time", "timed", is_flag=True, help="Also measure what each plugin costs.")
@click.option("--pipeline", help="Which of the file's pipelines; by default `pipeline`.")
@click.option("--agent-type", help="What kind of agent it was, where the recording does not say.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def replay_command(recording: str, file: Path | None, **how: Any) -> None:
    """Play a recorded stream of Letta's, and show what each plugin makes of it."""
    from gateway.replay.command import run  # noqa: PLC0415  a test server is not loaded to serve

    with told(as_json=how["as_json"]):
        run(recording, file, **how)


@main.command("chat", short_help="Talk to an agent through a running gateway.")
@click.argument("model", required=False)
@click.option("--url", default="http://127.0.0.1:8284", show_default=True, help="The gateway.")
@click.option(
    "--key",
    default="",
    envvar="LETTA_GATEWAY_KEY",
    help="A key that it takes; else LETTA_GATEWAY_KEY.",
)
@click.option("--chat-key", help="What the chat is called; by default anew each time. '': none.")
def chat_command(model: str | None, url: str, key: str, chat_key: str | None) -> None:
    """Talk to an agent through a running gateway; without MODEL, list the agents."""
    from gateway.chat import command  # noqa: PLC0415  a client is not loaded to serve

    with told():
        where = command.Where(url, key)
        if model is None:
            command.list_agents(where)
        else:
            command.run(where, model, chat_key)


@main.command("check-config", short_help="Check a YAML file, and show what it means.")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--start", is_flag=True, help="Also start the plugins, and ask Letta and the store.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of such files, for editors.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check_config(
    context: click.Context, file: Path | None, start: bool, schema: bool, as_json: bool
) -> None:
    """
    Check a YAML file: every mistake is told with its place.

    Without a mistake, what the file means is printed: which plugins a request goes through on
    its way to Letta, and the answer on its way back.
    """
    if schema:
        click.echo(file_schema.written(registry.installed()), nl=False)
        return
    if file is None:
        raise click.UsageError("Missing argument 'FILE': which one to check.", context)
    with told(as_json=as_json):
        config = load(file, environ=os.environ)
        started = asyncio.run(_started(config)) if start else {}
    if as_json:
        warnings = [attrs.asdict(warning) for warning in config.warnings]
        found = {"ok": True, "warnings": warnings, **lanes.as_json(config), **started}
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for warning in config.warnings:
        click.echo(f"warning: {warning}", err=True)
    _echo(lanes.report(config, _width()))
    _echo(started.values())


async def _started(config: Config) -> Mapping[str, str]:
    """What there is when the gateway is started: Letta and the store, each in a line."""
    async with assemble(config, logs.configure("text", "warning")) as gateway:
        await serve.check_letta(gateway, config.letta.base_url)
        await gateway.store.ping()
        agents, version = await gateway.letta.agents(), ""
        with suppress(LettaError):  # it is only told
            version = await gateway.letta.version()
    name = f"Letta {version}".strip()
    many = f"{len(agents)} agent{'' if len(agents) == 1 else 's'}"
    return {
        "letta": f"{name} at {shown(config.letta.base_url)}: {many}",
        "store": f"store {_where(config.store)}: ok",
    }


def _where(store: StoreSettings) -> str:
    match store:
        case SqliteSettings():
            return f"{store.use} {store.path}"
        case RedisSettings():
            return f"{store.use} {shown(store.url)}"
    return store.use


@main.command("plugins")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plugins_command(name: str | None, as_json: bool) -> None:
    """List the plugins that are installed, or the settings of one."""
    with told(as_json=as_json):
        if name is None:
            told_of: Any = about.summaries()
            lines = tables.table(told_of, _width())
        else:
            found = registry.find(name)
            told_of = about.as_json(found)
            lines = list(about.described(found, _width()))
    if as_json:
        click.echo(json.dumps(told_of, indent=2, ensure_ascii=False))
    else:
        _echo(lines)


def _width() -> int | None:
    """Lines are folded for people, and whole for programs."""
    return out.width if out.is_terminal else None


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
