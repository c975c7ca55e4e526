"""`letta-gateway chat` as a person uses it, and as a script does."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable

import pytest

from gateway.demo.agents import AGENTS
from tests.gateway.chat.terminal import CTRL_C, CTRL_D, Terminal, terminal
from tests.gateway.command import COMMAND, PATIENCE
from tests.gateway.demo.test_command import running


@pytest.fixture(name="url", scope="module")
def _url():
    """The demo, as `letta-gateway demo` serves it."""
    with running() as (url, _):
        yield url


def piped(*arguments: str, said: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """The command in a pipe."""
    return subprocess.run(
        [COMMAND, "chat", *arguments],
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={"PATH": os.environ["PATH"], **environ},
    )


class TestTerminal:
    def test_a_chat(self, url: str) -> None:
        """It says who is there, keeps to one chat, and leaves at Ctrl-D."""
        with terminal("chat", "Milo", "--url", url) as screen:
            assert "Milo: A friendly agent" in screen.waits_for("> ")
            screen.types("My name is Ada.\n")
            assert "Your name is Ada" in screen.waits_for("remember that.\n> ")
            screen.types("What is my name?\n")
            screen.waits_for("Your name is Ada.\n> ")
            screen.types(CTRL_D)

            assert screen.ends() == 0

    def test_reasoning_is_dimmed(self, url: str) -> None:
        """It stands before the answer, in a paragraph of its own."""
        with terminal("chat", "Milo", "--url", url) as screen:
            screen.waits_for("> ")
            screen.types("Hello\n")
            said = screen.waits_for("about you.\n> ")

            assert "\x1b[2mA gree" in screen.coloured
            assert "I greet back.\n\nHello! I am Milo" in said

    def test_stopping(self, url: str) -> None:
        """Ctrl-C stops the answer and not the chat."""
        with terminal("chat", "Milo", "--url", url) as screen:
            screen.waits_for("> ")
            screen.types("What can you do?\n")
            screen.waits_for("These agents")
            screen.types(CTRL_C)
            assert "`Echo`" not in screen.waits_for("(stopped)\n> ")
            screen.types("Hello\n")
            screen.waits_for("about you.\n> ")

    def test_ctrl_c_at_the_prompt(self, url: str) -> None:
        """It throws away what was typed."""
        with terminal("chat", "Echo", "--url", url) as screen:
            screen.waits_for("> ")
            screen.types("not this")
            screen.waits_for("not this")
            screen.interrupts("\n> ")
            screen.types("but that\n")
            assert "not this" not in screen.waits_for("but that\n> ")

    def test_an_error_goes_by(self, url: str) -> None:
        """An answer that fails is one line, and the next question can be asked."""
        with terminal("chat", "Busy", "--url", url) as screen:
            screen.waits_for("> ")
            for _ in range(2):
                screen.types("Hi\n")
                assert "make-believe model is busy" in screen.waits_for("\n> ")

    def test_an_agent_that_is_not_there(self, url: str) -> None:
        """It is told before anything is asked."""
        with terminal("chat", "Mylo", "--url", url) as screen:
            assert screen.ends() == 1
            assert "Milo" in screen.said
            assert "> " not in screen.said


class TestPipe:
    def test_one_question(self, url: str) -> None:
        """The answer's text, and nothing else."""
        ended = piped("Milo", "--url", f"{url}/v1", said="Hello")

        text = "Hello! I am Milo, a make-believe agent. Tell me something about you.\n"
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith("Hello! I am Milo")
        assert text.split(".", maxsplit=1)[0] in ended.stdout
        assert len(ended.stdout.splitlines()) == 1

    def test_agents(self, url: str) -> None:
        """Without a model all of them are listed."""
        ended = piped("--url", url)

        assert ended.returncode == 0
        assert [line.split()[0] for line in ended.stdout.splitlines()] == [a.name for a in AGENTS]

    @pytest.mark.parametrize(
        ("arguments", "said", "expected"),
        [
            (("Mylo",), "Hi", "The model 'Mylo' does not exist. Did you mean: Milo"),
            (("Busy",), "Hi", "Rate limit exceeded"),
            (("Milo",), " \n", "There is no question"),
            (("Milo", "--url", "http://127.0.0.1:1"), "Hi", "(Connection refused). Start one"),
            (("--url", "ftp://nowhere"), "", "nowhere is no address"),
            (
                ("--url", "127.0.0.1:8284"),
                "",
                "http:// is missing, as in http://127.0.0.1:8284",
            ),
        ],
    )
    def test_what_goes_wrong(self, url: str, arguments, said, expected) -> None:
        """It is one line, and the exit status is 1."""
        ended = piped(*(() if "--url" in arguments else ("--url", url)), *arguments, said=said)

        assert (ended.returncode, ended.stdout) == (1, "")
        (line,) = ended.stderr.splitlines()
        assert line.startswith("letta-gateway: ")
        assert expected in line


def test_a_key() -> None:
    """It comes from the environment, as the gateway's own does."""
    with running(LETTA_GATEWAY_KEY="sk-demo") as (url, _):
        refused = piped("Milo", "--url", url, said="Hi")
        taken = piped("Milo", "--url", url, said="Hi", LETTA_GATEWAY_KEY="sk-demo")

    assert (refused.returncode, taken.returncode) == (1, 0)
    assert "--key or LETTA_GATEWAY_KEY" in refused.stderr


async def test_the_run_is_cancelled(demo, gateway) -> None:
    """Ctrl-C reaches Letta: the run ends there, too."""

    def asks(screen: Terminal) -> None:
        screen.waits_for("> ")
        screen.types("What can you do?\n")
        screen.waits_for("These agents")

    def stops(screen: Terminal) -> None:
        screen.types(CTRL_C)
        screen.waits_for("(stopped)\n> ")

    with terminal("chat", "Milo", "--url", gateway.url) as screen:
        await asyncio.to_thread(asks, screen)
        run = await demo.run()
        assert run.status == "running"
        await asyncio.to_thread(stops, screen)
        await _until(lambda: run.status == "cancelled")


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  nothing tells when
            await asyncio.sleep(0.01)
