"""A supervisor leaves nothing behind, however its parent ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest


SUPERVISE_A_SLEEPER = """
    import asyncio, sys
    from contextlib import asynccontextmanager
    from tests.letta_server.process import Program, running
    from tests.letta_server.supervisor import supervise

    @asynccontextmanager
    async def sleeper(work):
        async def answers():
            return (work / "sleeper.log").exists()
        tell = "import os, time; print(os.getpid(), flush=True); time.sleep(1000)"
        command = (sys.executable, "-c", tell)
        async with running(Program("sleeper", command, work, answers)):
            while not (said := (work / "sleeper.log").read_text()).endswith("\\n"):
                await asyncio.sleep(0.01)
            yield f"{said.strip()} {work}"

    report = lambda said: print(said, flush=True)
    asyncio.run(supervise(sleeper, report, stay="--stay" in sys.argv))
"""


class Supervised:
    """A supervisor with its one child."""

    def __init__(self, *options: str, stdin: int = subprocess.PIPE) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SUPERVISE_A_SLEEPER), *options],
            stdin=stdin,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout
        child, work = self.process.stdout.readline().split()
        self.child, self.work = int(child), Path(work)

    def alive(self) -> bool:
        try:
            os.kill(self.child, 0)
        except ProcessLookupError:
            return False
        return True


@pytest.fixture(name="supervised")
def _supervised() -> Iterator[Supervised]:
    supervised = Supervised()
    yield supervised
    supervised.process.communicate()


def test_parent_is_gone(supervised: Supervised) -> None:
    """When its standard input closes, the child is ended and the directory deleted."""
    assert supervised.alive()
    assert supervised.work.exists()

    supervised.process.communicate()

    assert not supervised.alive()
    assert not supervised.work.exists()
    assert supervised.process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal(supervised: Supervised, number: signal.Signals) -> None:
    """A signal ends all of it, too."""
    supervised.process.send_signal(number)
    supervised.process.wait()

    assert not supervised.alive()
    assert not supervised.work.exists()


def test_staying() -> None:
    """One that stays does not mind that its standard input is closed; a signal ends it."""
    supervised = Supervised("--stay", stdin=subprocess.DEVNULL)
    assert supervised.alive()

    supervised.process.send_signal(signal.SIGTERM)
    supervised.process.communicate()

    assert not supervised.alive()
