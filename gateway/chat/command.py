"""`letta-gateway chat`: from the terminal to an agent, or from a pipe."""

from __future__ import annotations

import asyncio
import signal
import sys
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import attrs
from rich.markup import escape
from rich.table import Table

from gateway.chat.client import Client, Unanswered, connected
from gateway.chat.plain import one_line, printable
from gateway.chat.screen import Screen
from gateway.chat.session import Session


T = TypeVar("T")

HINT = "Ctrl-C stops an answer, Ctrl-D leaves."


@attrs.frozen
class Where:
    """The gateway to talk to."""

    url: str
    key: str = attrs.field(repr=False)


def list_agents(where: Where) -> None:
    """
    Print the agents that can be talked to.

    Raises:
        Unanswered: The gateway cannot be asked.
    """

    async def models(client: Client) -> Any:
        return await client.models()

    found = asyncio.run(_with(where, models))
    screen = Screen.on(sys.stdout)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold")
    for model in found:
        table.add_row(escape(printable(str(model.get("id")))), escape(_about(model)))
    if found:
        screen.console.print(table, soft_wrap=False)
    else:
        screen.note("There are no agents.")


def run(where: Where, model: str, chat_key: str | None) -> None:
    """
    Talk to an agent: at a terminal until Ctrl-D, else ask what comes in once.

    Raises:
        Unanswered: The gateway cannot be asked, or the one question has no answer.
    """
    key = str(uuid.uuid4()) if chat_key is None else chat_key
    with asyncio.Runner() as runner:
        opened = connected(where.url, where.key)
        client = runner.run(opened.__aenter__())
        try:
            session = Session(client, model, key, Screen.on(sys.stdout))
            if sys.stdin.isatty():
                _talk(session, runner)
            else:
                _ask_once(session, runner)
        finally:
            runner.run(opened.__aexit__(None, None, None))


def _talk(session: Session, runner: asyncio.Runner) -> None:
    # A shell that starts its jobs in the background has them ignore Ctrl-C; here somebody types.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with suppress(ImportError):
        import readline  # noqa: F401, PLC0415  with it, `input` can be edited

    about = _about(runner.run(session.client.model(session.model)))
    named = f"{session.model}: {about}" if about else session.model
    session.screen.note(f"{named}\n{HINT}")
    while (said := _line()) is not None:
        if not said.strip():
            continue
        try:
            runner.run(session.ask(said))
        except KeyboardInterrupt:
            session.screen.note("(stopped)")
        except Unanswered as exc:
            session.screen.note(str(exc))


def _line() -> str | None:
    """What is typed; None to leave."""
    try:
        return input("> ")
    except KeyboardInterrupt:
        print()  # noqa: T201
        return ""
    except EOFError:
        print()  # noqa: T201
        return None


def _ask_once(session: Session, runner: asyncio.Runner) -> None:
    said = sys.stdin.read().strip()
    if not said:
        raise Unanswered("There is no question: nothing came in.")
    runner.run(session.ask(said))


async def _with(where: Where, work: Callable[[Client], Any]) -> Any:
    async with connected(where.url, where.key) as client:
        return await work(client)


def _about(model: Mapping[str, Any]) -> str:
    match model:
        case {"info": {"meta": {"description": str(text)}}}:
            return one_line(text)
    return ""
