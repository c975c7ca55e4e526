"""The process that owns a running server, so that nothing is left when the tests are gone.

It ends everything when its standard input closes, which happens however its parent ends (also
by SIGKILL), and when a signal tells it to. One started by hand has no parent to watch.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import TypeVar


T = TypeVar("T")


async def supervise(
    bring_up: Callable[[Path], AbstractAsyncContextManager[T]],
    report: Callable[[T], None],
    *,
    stay: bool,
) -> None:
    """
    Bring something up in a directory of its own, report it, and end it when the time has come.

    Args:
        bring_up: Gets the directory, which is deleted at the end.
        report: Gets what came up.
        stay: Outlive the parent: only a signal ends it.
    """
    ended = asyncio.Event()
    _call_at_the_end(ended.set, stay=stay)
    holding = asyncio.create_task(_hold(bring_up, report))
    ending = asyncio.create_task(ended.wait())
    await asyncio.wait({holding, ending}, return_when=asyncio.FIRST_COMPLETED)
    holding.cancel()
    ending.cancel()
    await asyncio.wait({holding, ending})
    if not holding.cancelled():
        holding.result()


async def _hold(
    bring_up: Callable[[Path], AbstractAsyncContextManager[T]], report: Callable[[T], None]
) -> None:
    with _directory() as work:
        async with bring_up(work) as up:
            report(up)
            await asyncio.Event().wait()


def _call_at_the_end(callback: Callable[[], object], *, stay: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, callback)

    def closed() -> None:
        loop.remove_reader(sys.stdin)
        callback()

    if not stay:
        loop.add_reader(sys.stdin, closed)  # nobody writes to it: readable means closed


@contextmanager
def _directory() -> Iterator[Path]:
    work = Path(tempfile.mkdtemp(prefix="letta-server-"))
    work.chmod(0o711)  # PostgreSQL may run as another user and has to get to its data
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
