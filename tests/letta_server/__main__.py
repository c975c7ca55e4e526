"""Start, find and end a Letta server by hand: `python -m tests.letta_server up|down|status`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tests.letta_server.install import CannotInstall, Installation, ensure, installation
from tests.letta_server.launch import left_standing, serve
from tests.letta_server.process import CannotStart
from tests.letta_server.stack import Addresses
from tests.letta_server.standing import standing


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
def up() -> None:
    """Start a server that stays, unless one is up."""
    found = ensure(click.echo)
    already = standing(found)
    _tell(already.addresses if already else left_standing(found))


@main.command()
def down() -> None:
    """End the server that `up` started."""
    if found := standing(installation()):
        found.end()
    click.echo("down")


@main.command()
def status() -> None:
    """Say where the server is; exit status 1 if there is none."""
    found = standing(installation())
    if found is None:
        click.echo("down")
        sys.exit(1)
    _tell(found.addresses)


@main.command("serve", hidden=True)
@click.argument("root", type=click.Path(path_type=Path))
@click.option("--stay", is_flag=True)
def serve_(root: Path, *, stay: bool) -> None:
    """Own a server; for the other commands and for the tests."""
    serve(Installation(root), stay=stay)


def _tell(addresses: Addresses) -> None:
    click.echo(f"Letta:          {addresses.url}")
    click.echo(f"scripted model: {addresses.model_url}")
    click.echo(f"Redis:          {'yes' if addresses.has_redis else 'no'}")
    click.echo(f"log:            {addresses.log}")


try:
    main()
except (CannotInstall, CannotStart) as problem:
    sys.exit(str(problem))
