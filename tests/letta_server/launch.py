"""Start a supervisor in a process of its own, and learn from it where the server is."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import attrs
import click

from tests.letta_server.install import Installation
from tests.letta_server.process import CannotStart
from tests.letta_server.stack import Addresses, letta
from tests.letta_server.standing import announced
from tests.letta_server.supervisor import supervise


PROJECT = Path(__file__).parents[2]


@contextmanager
def launched(installation: Installation) -> Iterator[Addresses]:
    """A server that ends with the block, and in any case with this process."""
    process = _start(installation, stdin=subprocess.PIPE)
    try:
        yield _reported(process)
    finally:
        process.communicate()  # closes its standard input and waits


def left_standing(installation: Installation) -> Addresses:
    """A server that stays until somebody ends it."""
    return _reported(_start(installation, "--stay", stdin=subprocess.DEVNULL))


def serve(installation: Installation, *, stay: bool) -> None:
    """The work of the process that the two above start."""
    bring_up = partial(letta, installation)
    if not stay:
        asyncio.run(supervise(bring_up, _report, stay=False))
        return
    with announced(installation) as announce:

        def report(addresses: Addresses) -> None:
            announce(addresses)
            _report(addresses)

        asyncio.run(supervise(bring_up, report, stay=True))


def _start(installation: Installation, *options: str, stdin: int) -> subprocess.Popen[str]:
    module = (sys.executable, "-m", "tests.letta_server")
    return subprocess.Popen(
        [*module, "serve", str(installation.root), *options],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        text=True,
        start_new_session=True,
    )


def _reported(process: subprocess.Popen[str]) -> Addresses:
    """Its first line of JSON. Anything else that it says before is why it failed."""
    said = []
    assert process.stdout
    for line in process.stdout:
        if line.startswith("{"):
            return Addresses(**json.loads(line))
        said.append(line)
    raise CannotStart("".join(said).strip())


def _report(addresses: Addresses) -> None:
    click.echo(json.dumps(attrs.asdict(addresses)))
