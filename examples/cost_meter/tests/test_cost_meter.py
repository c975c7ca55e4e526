"""Each caller's answers are counted, and nobody else's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.events import Error, Event, Finish, TextDelta, Usage
from gateway.plugin import Agent, Call, Caller, Context, Model, Plugin, Turn
from gateway.testing import kit
from letta_cost_meter.bill import Bill, Price, price_of
from letta_cost_meter.plugin import Config, CostMeter


AGENT = Agent("agent-1", "Milo", model="openai/gpt-5")
PRICES = {"openai/gpt-*": Price(2.0, 10.0, cached=0.5), "*": Price(1.0, 1.0)}
USAGE = Usage(1000, 100, cached=400)
ANN, BEN = Caller("ann", "id-ann"), Caller("ben", "id-ben")


def context(caller: Caller) -> Context:
    return Context("test", kit.ManualClock(), caller)


async def answer(plugin: Plugin[Any], caller: Caller, *events: Event) -> Turn:
    """One answer, as far as the pipeline tells the turn of it."""
    turn = plugin.begin(context(caller))
    await turn.prepare(Call("Milo", (), agent=AGENT))
    out = kit.fed(turn, events)
    assert out == list(events)
    return turn


async def spent(plugin: Plugin[Any], caller: Caller) -> Any:
    (model,) = await plugin.models(context(caller), [Model("Milo", AGENT, extra={"name": "M"})])
    assert model.extra["name"] == "M"
    return model.extra["spent"]


async def test_a_bill() -> None:
    """Tokens and money add up, for each caller apart."""
    meter = CostMeter(Config(prices=PRICES))
    async with kit.started(meter):
        for caller in (ANN, ANN, BEN):
            turn = await answer(meter, caller, TextDelta("Hi", "m"), USAGE, Finish())
            await turn.settle()
        assert await spent(meter, ANN) == {
            "answers": 2,
            "prompt_tokens": 2000,
            "completion_tokens": 200,
            "amount": 0.0048,
            "currency": "USD",
            "unpriced_answers": 0,
        }
        assert (await spent(meter, BEN))["answers"] == 1


async def test_answers_at_the_same_time() -> None:
    """None of them is forgotten."""
    meter = CostMeter(Config())
    async with kit.started(meter):
        turns = [await answer(meter, ANN, USAGE, Finish()) for _ in range(50)]
        await asyncio.gather(*(turn.settle() for turn in turns))
        assert (await spent(meter, ANN))["answers"] == 50


async def test_what_is_not_counted() -> None:
    """An answer that failed has no usage; one that nobody has kept is not settled."""
    meter = CostMeter(Config())
    error = Error(502, "server_error", "upstream_error", "It broke.")
    async with kit.started(meter):
        await (await answer(meter, ANN, TextDelta("Hi", "m"), error)).abandon()
        await (await answer(meter, ANN, USAGE, Finish())).abandon()
        await (await answer(meter, ANN, Finish())).settle()
        assert (await spent(meter, ANN))["answers"] == 0


async def test_it_may_be_hidden() -> None:
    """Without `shown` the list of models is as it was."""
    meter, found = CostMeter(Config(shown=False)), [Model("Milo", AGENT)]
    assert await meter.models(context(ANN), found) is found


@pytest.mark.parametrize(
    ("model", "price"),
    [("openai/gpt-5", 2.0), ("anthropic/claude", 1.0)],
)
def test_prices(model: str, price: float) -> None:
    """The first pattern that fits is the price."""
    found = price_of(model, PRICES)
    assert found is not None
    assert found.prompt == price
    assert price_of(model, {}) is None


def test_no_price() -> None:
    """Tokens are counted all the same, and the bill says that it is not whole."""
    bill = Bill().plus(Usage(1, 2), None).plus(Usage(3, 4), Price(1, 1))
    assert bill == Bill(answers=2, prompt=4, completion=6, millionths=7, unpriced=1)
    assert Bill.load(bill.dump()) == bill


def test_cached_tokens() -> None:
    """They have a price of their own, or the same."""
    assert Price(2, 10).millionths(USAGE) == 3000
    assert Price(2, 10, cached=0.5).millionths(USAGE) == 2400
