from __future__ import annotations

from gateway.call import Agent, Call, Conversation, Image, Message, Text, Tool, ToolAnswer
from gateway.letta.wire import (
    RAN,
    answers_of,
    bodies_of,
    body_of,
    denial_of,
    message_of,
    path_of,
    tool_of,
)


AGENT = Agent("agent-1", "Milo")
OLDER = Agent("agent-1", "Milo", "memgpt_v2_agent")
DEFAULT = Conversation("default")
ANSWER = ToolAnswer("call_1", (Text("21"),))


def user(*parts: Text | Image, **more: str) -> Message:
    return Message("user", parts, **more)


class TestPathOf:
    def test_the_path_names_the_conversation(self):
        """Letta locks conversations; the path by agent would lose exchanges."""
        path = path_of(AGENT, Conversation("conv-1"))
        assert path == "/v1/conversations/conv-1/messages"

    def test_the_agents_own(self):
        """Its lock would stay when a run is cancelled."""
        assert path_of(AGENT, DEFAULT) == "/v1/agents/agent-1/messages"


class TestBodyOf:
    def test_a_conversation_of_its_own(self):
        """Only what is new is sent, streamed by tokens, with pings."""
        history = (user(Text("before")), user(Text("now")))
        call = Call("Milo", history, agent=AGENT, input=history[1:])
        assert body_of(call) == {
            "messages": [{"role": "user", "content": "now"}],
            "streaming": True,
            "stream_tokens": True,
            "include_pings": True,
        }

    def test_by_steps(self):
        """Some agents lose text when they stream tokens."""
        body = body_of(Call("Milo", (), streaming="steps"))
        assert body["stream_tokens"] is False

    def test_tools_of_the_client(self):
        """Letta is told what the client can run."""
        call = Call("Milo", (), offered=(Tool("look"),))
        (told,) = body_of(call)["client_tools"]
        assert told["name"] == "look"

    def test_tools_that_are_lent(self):
        """The agent has them, and need not be told."""
        call = Call("Milo", (), offered=(Tool("look"),), lent=True)
        assert "client_tools" not in body_of(call)


class TestBodiesOf:
    def test_without_thinking(self):
        """Who does not want it says so; to Letta that is a text."""
        call = Call("Milo", (), body={"enable_thinking": False}, input=(user(Text("Hi")),))
        assert body_of(call)["enable_thinking"] == "false"
        for body in ({}, {"enable_thinking": True}, {"enable_thinking": None}):
            assert "enable_thinking" not in body_of(Call("Milo", (), body=body))

    def test_answers_and_input_go_together(self):
        """In one request, the answers first."""
        call = Call("Milo", (), input=(user(Text("Hi")),), answers=(ANSWER,))
        (body,) = bodies_of(call, AGENT)
        assert [each.get("type", "message") for each in body["messages"]] == [
            "tool_return",
            "message",
        ]

    def test_without_answers(self):
        """An older type is sent one request like any other."""
        call = Call("Milo", (), input=(user(Text("Hi")),))
        assert bodies_of(call, OLDER) == (body_of(call),)

    def test_an_answer_to_an_older_type(self):
        """It goes out alone, in the form that it knows, and the agent goes on."""
        (body,) = bodies_of(Call("Milo", (), answers=(ANSWER,)), OLDER)
        assert body["messages"] == [denial_of(ANSWER)]
        assert "max_steps" not in body

    def test_an_older_type_hears_the_answer_first(self):
        """With one step its model is not asked; what the user says comes in another request."""
        call = Call("Milo", (), input=(user(Text("Hi")),), answers=(ANSWER,))
        answer, said = bodies_of(call, OLDER)
        assert (answer["messages"], answer["max_steps"]) == ([denial_of(ANSWER)], 1)
        assert said["messages"] == [{"role": "user", "content": "Hi"}]
        assert "max_steps" not in said


class TestAnswersOf:
    def test_results_and_errors(self):
        """All in one message; a single text is sent as a string, and nothing as an empty one."""
        parts = (Text("see"), Image("image/png", "AAAA"))
        answers = (
            ToolAnswer("a", (Text("21"),)),
            ToolAnswer("b", (Text("no"),), ok=False),
            ToolAnswer("c", ()),
            ToolAnswer("d", parts),
        )
        told = answers_of(answers)
        assert told["type"] == "tool_return"
        assert [each["tool_call_id"] for each in told["tool_returns"]] == ["a", "b", "c", "d"]
        assert [each["status"] for each in told["tool_returns"]] == [
            "success",
            "error",
            "success",
            "success",
        ]
        returns = [each["tool_return"] for each in told["tool_returns"]]
        assert returns[:3] == ["21", "no", ""]
        assert [part["type"] for part in returns[3]] == ["text", "image"]


class TestToolOf:
    def test_as_it_is(self):
        """Name, description and schema."""
        schema = {"type": "object", "properties": {"city": {"type": "string"}}}
        told = tool_of(Tool("look", "Looks", schema))
        assert told == {"name": "look", "description": "Looks", "parameters": schema}

    def test_without_parameters(self):
        """Models want a schema all the same."""
        assert tool_of(Tool("look"))["parameters"] == {"type": "object", "properties": {}}


class TestDenialOf:
    def test_a_result(self):
        """The agent is told that the denial is none."""
        assert denial_of(ANSWER) == {
            "type": "approval",
            "approve": False,
            "approval_request_id": "call_1",
            "reason": f"{RAN}\n21",
        }

    def test_why_there_is_none(self):
        """It stands for itself."""
        assert denial_of(ToolAnswer("call_1", (Text("no"),), ok=False))["reason"] == "no"

    def test_a_long_result(self):
        """As much of it as of the results of Letta's own tools."""
        reason = denial_of(ToolAnswer("call_1", (Text("x" * 50_003),), ok=False))["reason"]
        assert reason == "x" * 50_000 + "... [truncated 3 chars]"

    def test_parts(self):
        """Texts are lines; an image cannot be sent, which the agent is told."""
        parts = (Text("a"), Image("image/png", "aGk="), Text("b"))
        reason = denial_of(ToolAnswer("call_1", parts, ok=False))["reason"]
        assert reason == "a\n[an image, which cannot be shown here]\nb"


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
