"""Items while they come."""

from __future__ import annotations

from gateway.events import ToolResult
from gateway.surfaces.responses.output import Called, Gave, Said, Thought, Used


def test_a_message_grows() -> None:
    """It is shown as it stands, at any time."""
    item = Said(0, "msg_1")
    assert [kind for kind, _ in item.opened()] == [
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert item.shown()["content"] == []
    item.add("Hel")
    item.add("lo")
    assert item.shown()["content"][0]["text"] == "Hello"
    assert item.shown()["status"] == "in_progress"
    *_, (kind, fields) = item.close("completed")
    assert kind == "response.output_item.done"
    assert fields["item"] == item.shown()
    assert item.shown()["status"] == "completed"


def test_a_thought_is_a_summary() -> None:
    """That is where clients look for what people may read."""
    item = Thought(2, "rs_1")
    item.add("Hm.")
    assert item.shown()["summary"] == [{"type": "summary_text", "text": "Hm."}]
    kinds = [kind for kind, _ in item.close("completed")]
    assert kinds[0] == "response.reasoning_summary_text.done"
    assert item.place() == {"item_id": "rs_1", "output_index": 2, "summary_index": 0}


def test_a_call_without_arguments() -> None:
    """They are an empty text."""
    item = Called(0, "fc_1", call_id="c", name="f")
    (_, added), *_ = item.opened()
    assert added["item"]["arguments"] == ""
    (_, done), *_ = item.close("completed")
    assert (done["name"], done["arguments"]) == ("f", "")


def test_a_tool_of_the_agents_own() -> None:
    """How it ended stands in its result."""
    item = Used(0, "mcp_1", name="f")
    assert item.shown()["output"] is None
    item.result = ToolResult("c", "found")
    kinds = [kind for kind, _ in item.close("completed")]
    assert kinds[1] == "response.mcp_call.completed"
    assert (item.shown()["output"], item.shown()["error"]) == ("found", None)


def test_what_a_tool_gave() -> None:
    """It is whole when it comes."""
    item = Gave(1, "fco_1", call_id="c", result=ToolResult("c", "found"))
    (_, added), (_, done) = item.opened()
    assert added["item"] == done["item"] == item.shown()
    assert item.shown()["status"] == "completed"
