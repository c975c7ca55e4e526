from __future__ import annotations

import pytest

from gateway.call import Agent, Call, Conversation, Image, Message, Text
from gateway.letta.wire import body_of, message_of, path_of


AGENT = Agent("agent-1", "Milo")


def user(*parts: Text | Image, **more: str) -> Message:
    return Message("user", parts, **more)


class TestPathOf:
    @pytest.mark.parametrize("conversation", ["conv-1", "default"])
    def test_the_path_names_the_conversation(self, conversation):
        """Letta locks conversations; the path by agent would lose exchanges."""
        path = path_of(Conversation(conversation))
        assert path == f"/v1/conversations/{conversation}/messages"


class TestBodyOf:
    def test_a_conversation_of_its_own(self):
        """Only what is new is sent, streamed by tokens, with pings."""
        history = (user(Text("before")), user(Text("now")))
        call = Call("Milo", history, agent=AGENT, input=history[1:])
        assert body_of(call, AGENT, Conversation("conv-1")) == {
            "messages": [{"role": "user", "content": "now"}],
            "streaming": True,
            "stream_tokens": True,
            "include_pings": True,
        }

    def test_the_default_conversation_needs_the_agent(self):
        """Its name says nothing of whose it is."""
        body = body_of(Call("Milo", ()), AGENT, Conversation("default"))
        assert body["agent_id"] == "agent-1"

    def test_by_steps(self):
        """Some agents lose text when they stream tokens."""
        body = body_of(Call("Milo", (), streaming="steps"), AGENT, Conversation("conv-1"))
        assert body["stream_tokens"] is False


class TestMessageOf:
    def test_a_single_text_is_a_string(self):
        """As every version of Letta takes it."""
        assert message_of(user(Text("Hi"))) == {"role": "user", "content": "Hi"}

    def test_several_texts_are_parts(self):
        """They are not joined: what a client sends apart stays apart."""
        assert message_of(user(Text("a"), Text("b")))["content"] == [
            {"type": "text", "text": "a"},
            {"type": "text", "text": "b"},
        ]

    def test_an_image_in_the_message(self):
        """Letta takes its data as base64."""
        assert message_of(user(Image("image/png", "aGk=")))["content"] == [
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "aGk="},
            }
        ]

    def test_an_image_elsewhere(self):
        """The gateway does not fetch it: Letta gets the address."""
        assert message_of(user(Image(url="https://a.example/b.png")))["content"] == [
            {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}
        ]

    def test_name_and_id(self):
        """They are sent if they are there."""
        sent = message_of(user(Text("Hi"), name="Ada", otid="1b2c"))
        assert sent == {"role": "user", "content": "Hi", "name": "Ada", "otid": "1b2c"}
