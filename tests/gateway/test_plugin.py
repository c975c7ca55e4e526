from __future__ import annotations

from typing import Generic, TypeVar

import attrs
import pytest

from gateway import plugin
from gateway.call import Call
from gateway.events import Error, Finish, TextDelta
from gateway.plugin import Context, NoConfig, Plugin, Turn
from gateway.testing.kit import ManualClock


C = TypeVar("C")


@attrs.frozen
class Config:
    size: int = 1


class Plain(Plugin[Config]):
    pass


class Heir(Plain):
    pass


class Based(Plugin[C], Generic[C]):
    pass


class Bare(Plugin):  # type: ignore[type-arg]
    pass


class TestConfigClass:
    @pytest.mark.parametrize("kind", [Plain, Heir])
    def test_the_parameter_names_it(self, kind):
        """It is said once, and heirs have it too."""
        assert kind.config_class() is Config

    @pytest.mark.parametrize("kind", [Based, Bare, Plugin])
    def test_none(self, kind):
        """A plugin that names none has no settings."""
        assert kind.config_class() is NoConfig

    def test_a_name_in_quotes(self):
        """It would be taken for no settings at all, so it is refused."""

        class Quoted(Plugin["Config"]):
            pass

        with pytest.raises(TypeError, match="Quoted: write the class itself"):
            Quoted.config_class()


class TestTurn:
    async def test_the_base_passes_everything_on(self):
        """A turn needs to say only what it does otherwise."""
        turn, call, event = Turn(), Call("Milo", ()), TextDelta("Hi", "m")
        assert await turn.prepare(call) is call
        assert list(turn.feed(event)) == [event]
        assert list(turn.flush()) == []
        assert list(turn.release()) == []
        assert turn.due() is None
        assert await turn.again(call, Error(500, "", "", "")) is None
        await turn.settle()
        await turn.abandon()


class TestPlugin:
    def test_the_base_does_nothing(self):
        """It begins a turn that passes everything on."""
        context = Context("r", ManualClock())
        made = Plain(Config(2))
        assert made.config == Config(2)
        assert type(made.begin(context)) is Turn

    async def test_models_and_flow_pass(self):
        """What others found is left alone."""
        context = Context("r", ManualClock())
        made = Plain(Config())
        assert await made.models(context, ()) == ()

        async def flow():
            yield Finish()

        events = flow()
        assert made.wrap(events, context) is events
        await events.aclose()

    async def test_lifespan(self):
        """There is nothing to open."""
        async with Plain(Config()).lifespan(None):  # type: ignore[arg-type]
            pass


def test_all_that_a_plugin_needs_is_here():
    """The names that authors import are there and documented."""
    for name in plugin.__all__:
        assert getattr(plugin, name).__doc__
