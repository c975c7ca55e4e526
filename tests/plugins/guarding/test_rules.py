"""Rules about texts."""

from __future__ import annotations

import pytest

from gateway.plugin import Image, Message, Text, ToolCall
from plugins.guarding import rules
from plugins.guarding.rules import NO_RE2, Rule, Rules


IMAGE = Image("image/png", "aGk=")
CARD = Rule("card number", r"\b\d{13,16}\b", "mask")
BOMB = Rule("weapons", "bomb", ignore_case=True)


def user(*parts: str | Image) -> Message:
    return Message("user", tuple(Text(p) if isinstance(p, str) else p for p in parts))


def test_masks() -> None:
    """What a pattern finds is masked, each time, and the rest stays."""
    masked = Rules([CARD]).masked(user("4111111111111111, then 4222222222222222é"))
    assert masked.text == "[removed], then [removed]é"


def test_nothing_to_mask() -> None:
    """A message in which nothing is found is the same object."""
    message = user("Hi", IMAGE, "there")
    assert Rules([CARD, BOMB]).masked(message) is message


@pytest.mark.parametrize("mask", ["", r"\1", r"\g<0>", "\\", "█"])
def test_the_mask_is_no_pattern(mask: str) -> None:
    """It is written as it stands."""
    rule = Rule("x", "(secret)", "mask", mask=mask)
    assert Rules([rule]).masked(user("a secret!")).text == f"a {mask}!"


def test_between_parts() -> None:
    """What is cut in two parts is found; images stay."""
    masked = Rules([CARD]).masked(user("4111111", IMAGE, "111111111."))
    assert masked.parts == (Text("[removed]."), IMAGE)
    assert Rules([BOMB]).broken_by(user("bo", IMAGE, "mb")) == "weapons"


def test_calls_of_the_history() -> None:
    """The arguments of calls are told to the agent, too."""
    call = ToolCall("c1", "pay", '{"card":"4111111111111111"}')
    message = Message("assistant", (), tool_calls=(call, ToolCall("c2", "see", "{}")))
    first, second = Rules([CARD]).masked(message).tool_calls
    assert (first.arguments, second) == ('{"card":"[removed]"}', message.tool_calls[1])
    assert Rules([CARD, BOMB]).broken_by(message) is None


def test_refusals() -> None:
    """The first rule that refuses gives its name; those that mask refuse nothing."""
    rules = Rules([CARD, BOMB, Rule("all", ".")])
    assert rules.broken_by(user("a BOMB")) == "weapons"
    assert rules.broken_by(user("4111111111111111")) == "all"
    assert rules.broken_by(user("")) is None


@pytest.mark.parametrize("ignore_case", [True, False])
def test_case(ignore_case: bool) -> None:
    """Capitals are told from small letters unless the rule says otherwise."""
    rule = Rule("x", "été", ignore_case=ignore_case)
    assert (Rules([rule]).broken_by(user("ÉTÉ")) == "x") is ignore_case


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "is no pattern of RE2's: missing"),
        (r"(a)\1", "is no pattern of RE2's: invalid escape"),
        ("a(?=b)", "is no pattern of RE2's: invalid perl operator"),
        ("x{2000}", "is no pattern of RE2's"),
        ("", "matches the empty text"),
        ("a*", "matches the empty text"),
        ("^", "matches the empty text"),
    ],
)
def test_bad_patterns(pattern: str, why: str) -> None:
    """A pattern that cannot be used is an error of the file's."""
    with pytest.raises(ValueError, match=why):
        Rule("x", pattern)


@pytest.mark.parametrize("name", ["", "  ", "a\nb"])
def test_bad_names(name: str) -> None:
    """A rule's name is what the client is told."""
    with pytest.raises(ValueError, match="one line"):
        Rule(name, "x")


def test_without_re2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who uses patterns without the extra is told what to install."""
    monkeypatch.setattr(rules, "re2", None)
    with pytest.raises(ValueError, match="guard") as caught:
        Rule("x", "a pattern that nobody has compiled yet")
    assert str(caught.value) == NO_RE2


@pytest.mark.parametrize(
    "pattern", [r"(a+)+$", r"(a|a)*b", r"[\w.+-]+@[\w-]+\.[\w.]+", r"(.*)*=(.*)*=", r"\s+$"]
)
def test_no_text_takes_long(pattern: str) -> None:
    """Patterns that hold up Python's `re` for minutes or for ever have done at once."""
    masking = Rules([Rule("x", f"x{pattern}|{pattern}x", "mask")])
    for text in ("a" * 500_000, " " * 500_000 + "a"):
        assert masking.masked(user(text)).text


def test_much_to_mask() -> None:
    """A text with more to mask than can be found in time is masked as a whole."""
    masking = Rules([Rule("x", "a.*z|a", "mask", mask="#")])
    assert masking.masked(user("a" * 1000 + "b")).text == "#" * 1000 + "b"
    assert masking.masked(user("a" * 50_000 + "b")).text == "#"


def test_what_is_no_text() -> None:
    """Half a surrogate pair can neither be found nor break anything."""
    assert Rules([CARD, BOMB]).broken_by(user("a \ud83d bomb")) == "weapons"
    assert Rules([CARD]).masked(user("\ud83d 4111111111111111")).text == "? [removed]"


HIDDEN = ToolCall("c1", "pay", r'{"what":"\u0062omb","card":"\u0034111111111111111"}')


@pytest.mark.parametrize(
    "message",
    [
        Message("user", (), name="bomb"),
        Message("tool", (), tool_call_id="bomb"),
        Message("assistant", (), tool_calls=(ToolCall("bomb", "pay", "{}"),)),
        Message("assistant", (), tool_calls=(ToolCall("c1", "bomb", "{}"),)),
        Message("assistant", (), tool_calls=(HIDDEN,)),
        user(Image(url="https://example.com/bomb")),
        user(Image(url="https://example.com/%62omb")),
        user(Image("image/bomb", "aGk=")),
    ],
)
def test_ways_round(message: Message) -> None:
    """Wherever a client can write something in a message, it is found."""
    assert Rules([BOMB]).broken_by(message) == "weapons"


def test_masks_elsewhere() -> None:
    """Names, calls and addresses of images get masks; ids of calls stay."""
    number = "4111111111111111"
    calls = (HIDDEN, ToolCall(number, number, "{}"))
    image = Image(url=f"https://example.com/{number}")
    message = Message("user", (Text("Hi "), image, IMAGE), name=number, tool_calls=calls)
    masked = Rules([CARD]).masked(message)
    assert masked.name == "[removed]"
    assert masked.parts == (Text("Hi "), Text("https://example.com/[removed]"), IMAGE)
    assert [call.name for call in masked.tool_calls] == ["pay", "[removed]"]
    assert [call.id for call in masked.tool_calls] == ["c1", number]
    assert masked.tool_calls[0].arguments == '{"what":"bomb","card":"[removed]"}'


def test_an_empty_mask_for_a_name() -> None:
    """It leaves no name."""
    rule = Rule("x", "ada", "mask", mask="")
    assert Rules([rule]).masked(Message("user", (), name="ada")).name is None
