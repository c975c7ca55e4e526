from __future__ import annotations

import pytest

from gateway import config
from gateway.config import templates
from gateway.config.templates import USER_NAME, TemplateSettings, shipped
from gateway.errors import ConfigError


def test_shipped():
    """A tutor comes with the gateway; which model it has is left open."""
    assert list(shipped()) == ["tutor"]
    tutor = shipped()["tutor"]
    assert tutor.persona
    assert USER_NAME in tutor.human
    assert (tutor.model, tutor.tools) == ("", [])
    assert [block.label for block in tutor.blocks] == ["goals", "progress"]


def test_the_files_own(tmp_path):
    """The file's templates stand beside those, and one of the same name over it."""
    path = tmp_path / "gateway.yaml"
    path.write_text("templates:\n  coach: {persona: I coach.}\n  tutor: {persona: Mine.}\n")
    loaded = config.load(path, environ={}).templates
    assert list(loaded) == ["tutor", "coach"]
    assert loaded["tutor"] == TemplateSettings(persona="Mine.")
    assert config.load(None, environ={}).templates == shipped()


def test_one_that_is_wrong(tmp_path, monkeypatch):
    """Whoever breaks one that is shipped learns where."""
    (tmp_path / "broken.yaml").write_text("personality: I am kind.\n")
    monkeypatch.setattr(templates, "_SHIPPED", tmp_path)
    with pytest.raises(ConfigError) as caught:
        shipped()
    assert "broken.yaml:1:1" in str(caught.value)


@pytest.mark.parametrize(
    ("template", "at", "said"),
    [
        ("blocks: [{label: goals}, {label: goals}]", "3:13", "two of goals"),
        ("blocks: [{label: human, value: x}]", "3:13", 'empty (human: "")'),
        ("{persona: I coach., blocks: [{label: persona}]}", "3:33", "two of persona"),
        ("tags: [mine, 'letta-gateway:user=bob']", "3:11", "must not begin with letta-gateway:"),
    ],
)
def test_what_cannot_be(template, at, said, tmp_path):
    """Two blocks of one name, and tags that would make an agent somebody else's, have a place."""
    path = tmp_path / "gateway.yaml"
    path.write_text(f"templates:\n  coach:\n    {template}\n")
    with pytest.raises(ConfigError) as caught:
        config.load(path, environ={})
    assert f"gateway.yaml:{at}: templates.coach." in str(caught.value)
    assert said in str(caught.value)


def test_a_block_instead_of_a_field():
    """A field that is left empty makes way for a block of its name, which can say more."""
    block = templates.BlockSettings("human", "Name: {user_name}", limit=500)
    assert TemplateSettings(human="", blocks=[block]).blocks == [block]
