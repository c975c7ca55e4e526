from __future__ import annotations

import attrs
import pytest

from gateway.call import Agent, Call, Conversation, Image, Message, Model, Reply, Text


@pytest.mark.parametrize(
    ("kind", "older"),
    [
        ("letta_v1_agent", False),
        ("sleeptime_agent", False),
        ("memgpt_agent", True),
        ("memgpt_v2_agent", True),
        ("react_agent", True),
        ("workflow_agent", True),
    ],
)
def test_older_agents(kind, older):
    """All but two types have one context for every conversation."""
    assert Agent("agent-1", "Milo", kind).older is older


class TestMessage:
    def test_text(self):
        """The text parts, joined; images are none."""
        message = Message("user", (Text("a"), Image(url="https://a.example"), Text("b")))
        assert message.text == "ab"

    def test_no_text(self):
        """A message of images says nothing."""
        assert Message("user", (Image(url="https://a.example"),)).text == ""


class TestCall:
    def test_it_is_a_fact(self):
        """Whoever changes it hands on a copy."""
        call = Call("Milo", ())
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            call.model = "Ada"
        assert attrs.evolve(call, model="Ada").model == "Ada"

    def test_what_a_client_sends_is_not_printed(self):
        """Headers and bodies may hold what no log should."""
        call = Call("Milo", (), headers={"cookie": "secret"}, body={"user": "secret"})
        assert "secret" not in repr(call)

    def test_a_conversation_is_kept_unless_said(self):
        """Deleting is what must be asked for."""
        assert Conversation("conv-1").keep


def test_what_is_honoured_is_not_ignored():
    """The rest is, in its order."""
    reply = Reply(ignored=("tools", "stop", "seed"))
    assert reply.honouring({"stop", "user"}) == Reply(ignored=("tools", "seed"))


def test_models_do_not_share_their_extras():
    """Each has its own."""
    agent = Agent("agent-1", "Milo")
    assert Model("a", agent).extra is not Model("b", agent).extra
