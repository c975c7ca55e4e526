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
