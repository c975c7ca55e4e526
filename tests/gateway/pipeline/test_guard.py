from __future__ import annotations

import asyncio

import attrs
import pytest

from gateway.call import Call
from gateway.errors import Reject, StoreError
from gateway.events import (
    Error,
    Finish,
    Ping,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    ToolResult,
    Usage,
)
from gateway.pipeline.guard import Guarded
from gateway.plugin import Turn
from gateway.testing.kit import assert_grammar
from tests.gateway.lane import FAILED, KEPT, USAGE, Broken, Holding, guarded, logged, text


PLUGIN_FAILED = Error(500, "server_error", "plugin_failed", "The plugin 'p' failed.")


@attrs.define
class Failing(Holding):
    """Holds texts; raises in `where`, after it has given `first`."""

    where: str = ""
    first: tuple[TextDelta, ...] = ()
    calls: list[str] = attrs.field(factory=list)

    async def prepare(self, call):
        self._at("prepare")
        return call

    def feed(self, event):
        if self.where == "feed" and event == text("!"):
            yield from self.first
            raise Broken
        yield from super().feed(event)

    def flush(self):
        yield from self.first
        yield from super().flush()
        self._at("flush")

    def release(self):
        self._at("release")
        return super().release()

    def due(self):
        self._at("due")
        return 7.0 if self._held else None

    async def again(self, call, error):
        self._at("again")
        return call

    async def settle(self):
        self._at("settle")

    async def abandon(self):
        self._at("abandon")

    def _at(self, place):
        self.calls.append(place)
        if self.where == place:
            raise Broken


def failing(where: str, *, bypass: bool, **more: object) -> Guarded:
    return guarded(Failing(where=where, **more), bypass=bypass)  # type: ignore[arg-type]


class TestPrepare:
    async def test_hands_on_what_the_turn_gives(self):
        """A changed copy, perhaps."""

        class Renaming(Turn):
            async def prepare(self, call):
                return attrs.evolve(call, model="Ada")

        assert (await guarded(Renaming()).prepare(KEPT)).model == "Ada"

    async def test_a_reject_is_an_answer(self):
        """It passes, whatever `on_failure` says, and counts as no failure."""
        reject = Reject(404, "model_not_found", "No.")

        class Refusing(Turn):
            async def prepare(self, call):
                raise reject

        for bypass in (False, True):
            turn = guarded(Refusing(), bypass=bypass)
            with pytest.raises(Reject) as caught:
                await turn.prepare(KEPT)
            assert caught.value is reject
            assert turn.tally.failures == 0

    async def test_fail(self):
        """The client is told which plugin it was and nothing else."""
        turn = failing("prepare", bypass=False)
        with logged() as lines, pytest.raises(Reject) as caught:
            await turn.prepare(KEPT)
        assert (caught.value.status, caught.value.code) == (500, "plugin_failed")
        assert caught.value.message == "The plugin 'p' failed."
        assert turn.tally.failures == len(lines) == 1

    async def test_bypass(self):
        """The call goes on as it was, and from then on events pass by."""
        turn = failing("prepare", bypass=True)
        with logged() as lines:
            assert await turn.prepare(KEPT) is KEPT
        assert turn.feed([text("a")]) == [text("a")]
        assert len(lines) == 1

    async def test_an_error_of_ours_says_what_it_is(self):
        """A store that does not answer is no bug of the plugin's."""

        class Storing(Turn):
            async def prepare(self, call):
                raise StoreError("The store does not answer.")

        with logged(), pytest.raises(Reject) as caught:
            await guarded(Storing()).prepare(KEPT)
        assert (caught.value.status, caught.value.code) == (503, "store_unavailable")

    async def test_a_turn_that_forgets_to_hand_on_the_call(self):
        """It is this plugin's failure, not the next one's."""

        class Forgetful(Turn):
            async def prepare(self, call):
                pass

        with logged() as lines, pytest.raises(Reject):
            await guarded(Forgetful()).prepare(KEPT)
        assert "gave NoneType and not a Call" in lines[0]
        with logged():
            assert await guarded(Forgetful(), bypass=True).prepare(KEPT) is KEPT

    @pytest.mark.parametrize("bypass", [False, True])
    async def test_cancellation_passes(self, bypass):
        """It is no failure."""
        begun = asyncio.Event()

        class Waiting(Turn):
            async def prepare(self, call):
                begun.set()
                await asyncio.Event().wait()

        turn = guarded(Waiting(), bypass=bypass)
        task = asyncio.create_task(turn.prepare(KEPT))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert turn.tally.failures == 0

    @pytest.mark.parametrize("raised", [asyncio.CancelledError, SystemExit])
    async def test_what_would_take_others_along(self, raised):
        """A cancellation that nobody has asked for is a failure, and so is an exit."""

        class Leaving(Turn):
            async def prepare(self, call):
                raise raised

        with logged(), pytest.raises(Reject, match="'p' failed"):
            await guarded(Leaving()).prepare(KEPT)
        with logged():
            assert await guarded(Leaving(), bypass=True).prepare(KEPT) is KEPT


class TestFeed:
    def test_fail(self):
        """The answer ends in an error."""
        turn = failing("feed", bypass=False)
        with logged() as lines:
            assert turn.feed([text("!")]) == [PLUGIN_FAILED]
        assert turn.tally.failures == len(lines) == 1

    def test_bypass_lets_go_what_was_held(self):
        """Nothing is lost, the event that it failed at included; order is kept."""
        turn = failing("feed", bypass=True)
        assert turn.feed([text("a")]) == []
        with logged() as lines:
            assert turn.feed([text("!")]) == [text("a"), text("!")]
        assert turn.feed([text("b"), Finish()]) == [text("b"), Finish()]
        assert turn.tally.failures == len(lines) == 1

    def test_bypass_keeps_what_was_given_before_the_failure(self):
        """It was given, so it goes on."""
        turn = failing("feed", bypass=True, first=(text("1"),))
        with logged():
            out = turn.feed([text("!")])
        assert out[0] == text("1")
        assert out[-1] == text("!")

    def test_bypass_does_not_repeat_the_event(self):
        """A turn that fails after it has passed the event on has passed it on."""

        class Late(Turn):
            def feed(self, event):
                yield event
                raise Broken

        with logged():
            assert guarded(Late(), bypass=True).feed([text("a")]) == [text("a")]

    def test_a_flush_that_fails_as_well(self):
        """What it gave stays, and the failure is logged once."""

        class Twice(Holding):
            def feed(self, event):
                raise Broken

            def flush(self):
                yield text("held")
                raise Broken

        turn = guarded(Twice(), bypass=True)
        with logged() as lines:
            assert turn.feed([text("a")]) == [text("held"), text("a")]
        assert turn.tally.failures == len(lines) == 1
        assert turn.feed([Finish()]) == [Finish()]

    @pytest.mark.parametrize("bypass", [False, True])
    def test_a_turn_that_gives_nothing_to_iterate(self, bypass):
        """Forgetting to return is a failure like any other."""

        class Forgetful(Turn):
            def feed(self, event):
                pass

        with logged():
            out = guarded(Forgetful(), bypass=bypass).feed([text("a")])
        assert out == ([text("a")] if bypass else [PLUGIN_FAILED])

    @pytest.mark.parametrize("ending", [Finish("length"), FAILED])
    def test_a_turn_that_swallows_the_ending(self, ending):
        """An ending brings an ending."""

        class Swallowing(Turn):
            def feed(self, event):
                return ()

        assert guarded(Swallowing()).feed([ending]) == [ending]
        assert guarded(Swallowing()).feed([Usage(1, 1)]) == []

    def test_a_turn_that_ends_the_answer(self):
        """It is not asked again, also if more had come with what it ended at."""
        fed = []

        class Ending(Turn):
            def feed(self, event):
                fed.append(event)
                return [event, Finish("length")]

        assert guarded(Ending()).feed([text("a"), text("b")]) == [text("a"), Finish("length")]
        assert fed == [text("a")]

    @pytest.mark.parametrize("bypass", [False, True])
    def test_a_turn_that_fails_in_the_middle_of_a_batch(self, bypass):
        """What came before stands; what comes after it passes by, or is not told any more."""
        turn = failing("feed", bypass=bypass)
        batch = [text("a"), Ping(), text("!"), text("b"), text("!"), USAGE, Finish()]
        with logged() as lines:
            out = turn.feed(batch)
        held = [Ping(), text("a"), text("!"), text("b"), text("!"), USAGE, Finish()]
        assert out == (held if bypass else [Ping(), PLUGIN_FAILED])
        assert turn.tally.failures == len(lines) == 1

    def test_a_turn_may_change_the_ending(self):
        """One ending for one is enough."""

        class Changing(Turn):
            def feed(self, event):
                return [Finish("length")]

        assert guarded(Changing()).feed([Finish()]) == [Finish("length")]


@attrs.define
class Giving(Turn):
    """Gives what it is told to for a text, and passes on the rest."""

    gives: object
    held: list[object] = attrs.field(factory=list)

    def feed(self, event):
        return self.gives if isinstance(event, TextDelta) else [event]

    def flush(self):
        return self.held


BREAKS = [
    [text("")],
    [ToolArgsDelta("c", "{}")],
    [Usage(1, 1)],
    [Usage(1, 1), text("a")],
    [ToolCallStart("c", "f"), ToolCallStart("c", "f")],
    [ToolResult("c", "done")],
]


class TestGrammar:
    @pytest.mark.parametrize("gives", BREAKS, ids=str)
    def test_fail(self, gives):
        """What stands where it may not is this plugin's failure; what came before it stands."""
        turn = guarded(Giving(gives))
        with logged() as lines:
            out = turn.feed([text("a")])
        assert out[-1] == PLUGIN_FAILED
        assert_grammar(out)
        assert turn.tally.failures == len(lines) == 1
        assert "plugin p failed, on_failure: fail" in lines[0]

    @pytest.mark.parametrize("gives", BREAKS, ids=str)
    def test_bypass(self, gives):
        """It does not go on; the event does, and so does the rest of the answer."""
        turn = guarded(Giving(gives), bypass=True)
        with logged() as lines:
            out = turn.feed([text("a")])
        out += turn.feed([text("b"), USAGE, Finish()])
        assert_grammar(out)
        assert out[-4:] == [text("a"), text("b"), USAGE, Finish()]
        assert turn.tally.failures == len(lines) == 1

    def test_what_follows_an_ending(self):
        """The answer is over, whoever has ended it."""
        turn = guarded(Giving([Finish(), text("more")]))
        with logged() as lines:
            assert turn.feed([text("a")])[0] == Finish()
        assert "TextDelta after the ending" in lines[0]

    def test_usage_twice(self):
        """A plugin that tells its own lets Letta's go on as well."""
        turn = guarded(Giving([text("a")], held=[USAGE]), bypass=True)
        with logged() as lines:
            assert turn.feed([Usage(7, 7), Finish()]) == [USAGE, Finish()]
        assert "Usage after Usage" in lines[0]

    def test_what_a_failed_turn_has_kept(self):
        """A call whose beginning is lost does not go on without it."""

        class Keeping(Turn):
            def feed(self, event):
                if isinstance(event, TextDelta):
                    raise Broken
                return [] if isinstance(event, ToolCallStart) else [event]

        turn = guarded(Keeping(), bypass=True)
        turn.feed([ToolCallStart("c", "f")])
        with logged():
            assert turn.feed([text("a")]) == [text("a")]
        assert turn.feed([ToolArgsDelta("c", "{}")]) == []
        assert turn.feed([Finish()]) == [Finish()]


@pytest.mark.parametrize("raised", [asyncio.CancelledError, SystemExit])
@pytest.mark.parametrize("where", ["feed", "flush", "due", "release"])
def test_what_would_take_others_along(where, raised):
    """An exit, or a cancellation that nobody has asked for, is a failure like any other."""

    class Leaving(Holding):
        def due(self):
            if where == "due":
                raise raised
            return 7.0

    def leave(*_):
        raise raised

    turn = guarded(Leaving(), bypass=True)
    if where != "due":
        setattr(Leaving, where, leave)
    with logged() as lines:
        turn.feed([text("a")])
        if turn.due() is not None:
            turn.release(7.0)
        assert turn.feed([Finish()])[-1] == Finish()
    assert turn.tally.failures == 1
    assert lines


class TestFlush:
    def test_once(self):
        """The second time nothing is held."""
        turn = guarded(Holding())
        turn.feed([text("a")])
        assert turn.feed([USAGE]) == [text("a"), USAGE]
        assert turn.feed([Finish()]) == [Finish()]

    def test_fail(self):
        """The answer ends in an error behind what was let go."""
        turn = failing("flush", bypass=False)
        turn.feed([text("a")])
        with logged():
            assert turn.feed([USAGE, Finish()]) == [text("a"), PLUGIN_FAILED]

    def test_bypass(self):
        """What was let go goes on."""
        turn = failing("flush", bypass=True)
        turn.feed([text("a")])
        with logged() as lines:
            assert turn.feed([Finish()]) == [text("a"), Finish()]
        assert len(lines) == 1


class TestDueAndRelease:
    def test_a_turn_without_due_is_not_asked(self):
        """Most turns hold nothing."""
        assert not guarded(Turn()).timed
        assert guarded(Turn()).due() is None
        assert guarded(Holding()).timed

    @pytest.mark.parametrize("bypass", [False, True])
    def test_due_fails(self, bypass):
        """The timer is off; what is held goes out at the end."""
        turn = failing("due", bypass=bypass)
        with logged() as lines:
            assert turn.due() is None
            assert turn.due() is None
        assert len(lines) == 1
        turn.feed([text("a")])
        assert turn.feed([Finish()]) == [text("a"), Finish()]

    def test_release(self):
        """It lets go what is held."""
        turn = failing("", bypass=False)
        turn.feed([text("a")])
        assert turn.due() == 7.0
        assert turn.release(7.0) == [text("a")]
        assert turn.due() is None

    def test_release_fails(self):
        """As anything else."""
        turn = failing("release", bypass=False)
        turn.feed([text("a")])
        with logged():
            assert turn.release(7.0) == [PLUGIN_FAILED]

    def test_release_is_bypassed(self):
        """What is held goes out all the same."""
        turn = failing("release", bypass=True)
        turn.feed([text("a")])
        with logged():
            assert turn.release(7.0) == [text("a")]
        assert turn.due() is None

    def test_a_turn_that_lets_nothing_go(self):
        """It is not asked again and again."""

        class Stubborn(Failing):
            def release(self):
                return ()

        turn = guarded(Stubborn())
        turn.feed([text("a")])
        with logged() as lines:
            assert turn.release(7.0) == []
        assert turn.due() is None
        assert "timer is off" in lines[0]
        assert turn.feed([Finish()]) == [text("a"), Finish()]


class TestAgain:
    async def test_as_the_turn_says(self):
        """Another call, or none."""
        assert await failing("", bypass=False).again(KEPT, FAILED) is KEPT
        assert await guarded(Turn()).again(KEPT, FAILED) is None

    @pytest.mark.parametrize("bypass", [False, True])
    async def test_a_failure_asks_nothing(self, bypass):
        """The error that there was is told."""
        with logged() as lines:
            assert await failing("again", bypass=bypass).again(KEPT, FAILED) is None
        assert len(lines) == 1

    async def test_a_bypassed_turn_is_not_asked(self):
        """It has failed before."""
        turn = failing("prepare", bypass=True)
        with logged():
            await turn.prepare(KEPT)
        assert await turn.again(KEPT, FAILED) is None


class TestClosing:
    async def test_settle(self):
        """Nothing is wrong."""
        assert await failing("", bypass=False).settle() is None

    async def test_settle_fails(self):
        """The client learns that what it was told is not kept."""
        with logged():
            assert await failing("settle", bypass=False).settle() == PLUGIN_FAILED

    async def test_settle_is_bypassed(self):
        """It is logged."""
        with logged() as lines:
            assert await failing("settle", bypass=True).settle() is None
        assert len(lines) == 1

    async def test_settle_is_bounded(self, monkeypatch):
        """A plugin cannot keep the client waiting."""
        monkeypatch.setattr("gateway.pipeline.guard.CLOSING_SECONDS", 0.01)

        class Slow(Turn):
            async def settle(self):
                await asyncio.Event().wait()

        with logged():
            assert await guarded(Slow()).settle() == PLUGIN_FAILED

    async def test_abandon_fails(self):
        """Nobody waits for it: it is logged."""
        with logged() as lines:
            await failing("abandon", bypass=False).abandon()
        assert len(lines) == 1

    @pytest.mark.parametrize("where", ["prepare", "feed"])
    async def test_a_turn_that_has_failed_is_abandoned(self, where):
        """It does not know what to persist, and must still undo what it did."""
        turn = failing(where, bypass=True)
        with logged():
            await turn.prepare(Call("Milo", ()))
            turn.feed([text("!")])
        assert await turn.settle() is None
        assert isinstance(turn.turn, Failing)
        assert turn.turn.calls[-1] == "abandon"

    @pytest.mark.parametrize("close", ["settle", "abandon"])
    async def test_cancellation_passes(self, close):
        """It is no failure."""
        begun = asyncio.Event()

        class Slow(Turn):
            async def settle(self):
                begun.set()
                await asyncio.Event().wait()

            abandon = settle

        turn = guarded(Slow())
        task = asyncio.create_task(getattr(turn, close)())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert turn.tally.failures == 0


class TestTally:
    def test_counts(self):
        """Events in and out, and what it is told of the time between."""
        turn = guarded(Holding())
        turn.feed([text("a"), text("b"), Usage(1, 1)])
        turn.took(0.5)
        tally = turn.tally
        assert (tally.events_in, tally.events_out, tally.failures) == (3, 3, 0)
        assert tally.seconds == 0.5

    def test_what_is_let_go_at_a_failure_counts_once(self):
        """Held and passed by."""
        turn = failing("feed", bypass=True)
        turn.feed([text("a")])
        with logged():
            turn.feed([text("!")])
        assert (turn.tally.events_in, turn.tally.events_out) == (2, 2)


class Odd(Turn):
    """Gives what is no event."""

    def __init__(self, gives):
        self.gives = gives

    def feed(self, event):
        return self.gives

    async def again(self, call, error):
        return self.gives


@pytest.mark.parametrize("gives", [None, (None,), ("text",), 7, [Error]])
class TestWrongValues:
    def test_failing(self, gives):
        """A turn that gives what is no event has failed, and is named."""
        with logged() as lines:
            assert guarded(Odd(gives)).feed([text("a")]) == [PLUGIN_FAILED]
        assert "plugin p failed" in lines[0]

    def test_bypassed(self, gives):
        """Bypassed, it harms nothing."""
        assert guarded(Odd(gives), bypass=True).feed([text("a")]) == [text("a")]

    async def test_again(self, gives):
        """Only a call asks again."""
        assert await guarded(Odd(gives)).again(KEPT, FAILED) is None
