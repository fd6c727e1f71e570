"""From settings to a classifier in training."""

import pytest

from fewshot.data.texts import TextData
from fewshot.recipes import teaching
from fewshot.recipes.search_space import SETFIT
from fewshot.recipes.teaching import TrainSettings, train_classifier


class StopHereError(Exception):
    """Ends a training where the test has seen enough."""


@pytest.mark.parametrize(("given", "augment"), [({}, "tokens"), ({"augment": ("swap", "mix")}, ("swap", "mix"))])
def test_a_variant_is_searched_like_its_method(monkeypatch, tmp_path, tiny_encoder, single, given, augment) -> None:
    """A variant without a search of its own would be refused, or its trials would train without the copies."""
    asked = {}

    def search(*args, **options):
        asked.update(options)
        raise StopHereError

    monkeypatch.setattr(teaching, "search_settings", search)
    data = TextData(single.texts, single.labels, multi_label=False, rows=list(range(len(single.texts))))
    settings = TrainSettings(method="setfit+augment", search=2, **given)
    with pytest.raises(StopHereError):
        train_classifier(data, out=tmp_path / "m", settings=settings, encoder=tiny_encoder)
    assert asked["space"] == SETFIT
    assert asked["make"]({"loss": "cosine"}).augment == augment
