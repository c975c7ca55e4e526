"""What is drawn for a play: who does it, what goes wrong and when, and what the model does."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


troubles = st.sampled_from(["", "", "cut", "cut", "cut second", "leave", "kill", "die"])
# A turn goes by its number: what no gateway has seen of an edited one, none can know later.
seen = troubles.filter(lambda trouble: trouble != "die")
moments = st.integers(0, 3) | st.integers(0, 12)
players = st.integers(0, 4)
gateways = st.integers(0, 1)
names = st.lists(
    st.sampled_from(["get_weather:call_1", "get_time:call_2", "get_time:", "get_weather:"]),
    min_size=1,
    max_size=3,
    unique=True,
)


@st.composite
def scripts(draw: Any) -> list[dict[str, Any]]:
    """What the model does: some rounds of calls, then it talks, or fails."""
    rounds = []
    for _ in range(draw(st.integers(0, 3))):
        used = [name.partition(":")[::2] for name in draw(names)]
        tools = [{"name": n, "args": {"city": "Rome"}, "id": i or None} for n, i in used]
        step: dict[str, Any] = {"tools": tools, "interleave": draw(st.booleans())}
        if draw(st.booleans()):
            step |= {"text": "Let me see.", "reason": "Hm."}
        rounds.append(step)
    endings = [{"text": "Well then."}] * 3 + [{"status": 400}, {"text": "one two", "n": 1}]
    return [*rounds, draw(st.sampled_from(endings))]
