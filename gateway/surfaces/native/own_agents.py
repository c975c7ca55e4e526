"""One agent for each user and type: found by its tags, made where there is none yet."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import attrs

from gateway.call import USER_TAG, Agent
from gateway.config.templates import USER_NAME, TemplateSettings
from gateway.errors import Reject
from gateway.letta.agents import AgentsAPI, Block, NewAgent
from gateway.services import Store


TYPE_TAG = "letta-gateway:type="

# For so long an agent that was found is not looked for again.
KNOWN_SECONDS = 30.0
MOST_KNOWN = 10_000

# How long a request waits for another that makes the agent, and how many may.
WAIT_SECONDS = 60.0
QUEUE = 1000

# An agent takes its conversations along.
GONE = frozenset({"model_not_found", "conversation_not_found"})

_NOT_IN_NAMES = re.compile(r"[^\w '-]+")
_LONGEST_NAME = 60


def type_of(agent: Agent) -> str:
    """The type that it was made as; "" for other agents."""
    types = (tag.removeprefix(TYPE_TAG) for tag in agent.tags if tag.startswith(TYPE_TAG))
    return next(types, "")


@attrs.frozen
class Wanted:
    """A user's agent of some type, and how it is made if there is none."""

    user_id: str
    type: str
    template: TemplateSettings
    user_name: str = ""

    @property
    def tags(self) -> tuple[str, str]:
        """What it is found by."""
        return (USER_TAG + self.user_id, TYPE_TAG + self.type)

    def made_of(self, model: str) -> NewAgent:
        """What Letta is told to make."""
        template = self.template
        blocks = [
            Block("persona", self._filled(template.persona)),
            Block("human", self._filled(template.human)),
            *(
                Block(each.label, self._filled(each.value), each.description, each.limit)
                for each in template.blocks
            ),
        ]
        return NewAgent(
            self._name(),
            model,
            (*self.tags, *template.tags),
            template.description,
            template.system,
            template.embedding,
            tuple(block for block in blocks if block.value or block.description),
            tuple(template.tools),
        )

    def _name(self) -> str:
        user = _plain(self.user_name)[:_LONGEST_NAME].rstrip()
        name = self.template.name or _plain(self.type)
        return f"{name or 'Agent'} for {user}" if user else name or "Agent"

    def _filled(self, text: str) -> str:
        return text.replace(USER_NAME, self.user_name or "not known yet").strip()


@attrs.define
class OwnAgents:
    """Finds and makes them; of many requests at once, in any process, one makes the agent."""

    letta: AgentsAPI
    store: Store
    _known: OrderedDict[tuple[str, str], tuple[Agent, float]] = attrs.field(
        init=False, factory=OrderedDict
    )
    _getting: dict[tuple[str, str], asyncio.Task[tuple[Agent, bool]]] = attrs.field(
        init=False, factory=dict
    )

    async def of(self, user_id: str) -> Sequence[Agent]:
        """All agents of a user, oldest first; of several of one type the first alone."""
        first: dict[str, Agent] = {}
        for agent in await self.letta.tagged(USER_TAG + user_id):
            first.setdefault(type_of(agent), agent)
        return [agent for kind, agent in first.items() if kind]

    async def get(self, wanted: Wanted) -> tuple[Agent, bool]:
        """
        The user's agent, and whether it was made just now.

        Raises:
            Reject: Letta cannot make it, or it is not known in time whether another does.
        """
        key = wanted.tags
        if (known := self._known.get(key)) and time.monotonic() - known[1] < KNOWN_SECONDS:
            return known[0], False
        mine = self._getting.get(key) is None
        if mine:
            # In a task: who leaves in between must not leave an agent behind that nobody knows.
            task = self._getting[key] = asyncio.create_task(self._get(wanted))
            task.add_done_callback(lambda task: self._got(key, task))
        agent, made = await asyncio.shield(self._getting[key])
        return agent, made and mine

    def heard(self, agent_id: str, code: str) -> None:
        """Something failed with this code: an agent that may be no more is looked for again."""
        if code in GONE:
            self.forget(agent_id)

    def forget(self, agent_id: str) -> None:
        """Letta does not know this agent any more."""
        for key in [key for key, (agent, _) in self._known.items() if agent.id == agent_id]:
            del self._known[key]

    def _got(self, key: tuple[str, str], task: asyncio.Task[tuple[Agent, bool]]) -> None:
        del self._getting[key]
        if not task.cancelled():
            task.exception()  # if nobody waits for it any more, nobody misses it

    async def _get(self, wanted: Wanted) -> tuple[Agent, bool]:
        name = "/agents/" + hashlib.sha256("\0".join(wanted.tags).encode()).hexdigest()
        lease = await self.store.lease(name, wait=WAIT_SECONDS, queue=QUEUE)
        if lease is None:
            text = "The agent is being made by another request. Try again in a moment."
            raise Reject(503, "agent_being_made", text)
        try:
            found = await self.letta.tagged(*wanted.tags)
            agent = found[0] if found else await self._made(wanted)
        finally:
            await lease.release()
        self._remember(wanted.tags, agent)
        return agent, not found

    async def _made(self, wanted: Wanted) -> Agent:
        model = wanted.template.model or await self.letta.first_model()
        return await self.letta.create(wanted.made_of(model))

    def _remember(self, key: tuple[str, str], agent: Agent) -> None:
        self._known[key] = (agent, time.monotonic())
        self._known.move_to_end(key)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)


def _plain(text: str) -> str:
    """What of it Letta takes in a name: no marks, but for those that make one letter with it."""
    letters = unicodedata.normalize("NFC", text)
    unmarked = "".join(each for each in letters if not unicodedata.category(each).startswith("M"))
    return " ".join(_NOT_IN_NAMES.sub(" ", unmarked).split())


def template_of(kind: str, templates: Mapping[str, TemplateSettings]) -> TemplateSettings:
    """
    The template of this name.

    Raises:
        Reject: There is none.
    """
    if kind not in templates:
        text = f"There is no agent type '{kind}'. There are: {', '.join(templates)}."
        raise Reject(400, "unknown_agent_type", text, param="agent_type")
    return templates[kind]
