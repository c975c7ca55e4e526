"""Who has used how much this month."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import attrs

from gateway.events import Event, Usage
from gateway.plugin import Call, Caller, Context, Model, Plugin, Services, Store, Turn
from letta_cost_meter.bill import Bill, Price, price_of


if TYPE_CHECKING:
    from loguru import Logger

KEPT_SECONDS = 400 * 86400.0


@attrs.frozen
class Config:
    """Settings of `cost_meter`."""

    prices: dict[str, Price] = attrs.field(
        factory=dict,
        metadata={
            "help": "by model handle as Letta has it (openai/gpt-*; the first that fits), what a"
            " million tokens cost: prompt, completion and, if it is another price, cached"
        },
    )
    currency: str = attrs.field(default="USD", metadata={"help": "what the prices are in"})
    shown: bool = attrs.field(
        default=True,
        metadata={"help": "add the caller's own total to each entry of /v1/models"},
    )


class CostMeter(Plugin[Config]):
    """Adds up what each caller's answers cost."""

    essential = False
    needs = frozenset({"agent_resolver"})

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        self._bills = Bills(services.store, services.logger)
        yield

    def begin(self, context: Context) -> Turn:
        return CostTurn(self.config, self._bills, context.caller)

    async def models(self, context: Context, found: Sequence[Model]) -> Sequence[Model]:
        if not self.config.shown:
            return found
        spent = _in_words(await self._bills.read(context.caller), self.config.currency)
        return [attrs.evolve(each, extra={**each.extra, "spent": spent}) for each in found]


@attrs.define
class CostTurn(Turn):
    """One answer. It is counted when it is whole; what fails has no usage to count."""

    config: Config
    bills: Bills
    caller: Caller
    _model: str = ""
    _usage: Usage | None = None

    async def prepare(self, call: Call) -> Call:
        if call.agent is not None:
            self._model = call.agent.model
        return call

    def feed(self, event: Event) -> Iterable[Event]:
        if isinstance(event, Usage):
            self._usage = event
        return (event,)

    async def settle(self) -> None:
        if self._usage is not None:
            price = price_of(self._model, self.config.prices)
            await self.bills.add(self.caller, self._usage, price)


@attrs.frozen
class Bills:
    """The bills in the store: one for each caller and month."""

    store: Store
    logger: Logger

    async def read(self, caller: Caller) -> Bill:
        """This month's."""
        return Bill.load(await self.store.read(_key(caller)))

    async def add(self, caller: Caller, usage: Usage, price: Price | None) -> None:
        """One answer more. Two at a time would each forget the other: hence the lease."""
        key = _key(caller)
        lease = await self.store.lease(key, wait=4, queue=1000)
        if lease is None:
            self.logger.warning("not on the bill of {}: {}", caller.name, usage)
            return
        try:
            bill = Bill.load(await self.store.read(key)).plus(usage, price)
            await self.store.put(key, bill.dump(), ttl=KEPT_SECONDS)
        finally:
            await lease.release()


def _key(caller: Caller) -> str:
    return f"{caller.identity}/{datetime.now(UTC):%Y-%m}"


def _in_words(bill: Bill, currency: str) -> dict[str, object]:
    tokens = {"prompt_tokens": bill.prompt, "completion_tokens": bill.completion}
    amount = {"amount": bill.millionths / 1_000_000, "currency": currency}
    return {"answers": bill.answers, **tokens, **amount, "unpriced_answers": bill.unpriced}
