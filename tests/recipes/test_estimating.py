"""What a training tells of its score without a test set: when it is asked, what it costs, where it is written."""

import json

import pytest

from fewshot.classifiers.folder import read_listing
from fewshot.core.errors import InputError
from fewshot.data.texts import TextData
from fewshot.encoders.cached import CachedEncoder
from fewshot.recipes import estimating
from fewshot.recipes.estimating import Estimating, estimate_of_report, is_cheap
from fewshot.recipes.method import Surroundings
from fewshot.recipes.teaching import TrainSettings, train_classifier


def data_of(toy) -> TextData:
    """Return a toy task as a file would give it."""
    return TextData(toy.texts, toy.labels, multi_label=toy.multi_label, rows=list(range(len(toy.texts))))


@pytest.fixture
def no_cross_validation(monkeypatch):
    """Fail where a training is cross-validated."""

    def fail(*args, **options):
        raise AssertionError("nobody asked for this")

    monkeypatch.setattr(estimating, "estimate_score", fail)


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_a_cheap_training_tells_its_estimate_in_card_and_facts(request, tmp_path, kind) -> None:
    """Prevents an estimate that is printed once and lost, or that stands in the card as the score on a test set."""
    toy = request.getfixturevalue(kind)
    made = train_classifier(data_of(toy), out=tmp_path / "m", settings=TrainSettings(method="naive-bayes"))
    estimate = made.facts["estimate"]
    assert estimate["metric"] == ("micro_f1" if toy.multi_label else "accuracy")
    assert 0 <= estimate["low"] <= estimate["value"] <= estimate["high"] <= 1
    assert json.loads(json.dumps(estimate)) == estimate
    assert read_listing(tmp_path / "m")["metrics"]["estimate"] == estimate
    card = (tmp_path / "m" / "README.md").read_text("utf-8")
    assert "## Estimated score" in card
    assert "No test texts were used" in card
    assert estimate["made_by"] in card
    assert "## Scores" not in card
    assert any(note.startswith("estimated ") for note in made.facts["notes"])


def test_the_estimate_changes_nothing_of_the_classifier(tmp_path, single) -> None:
    """Prevents an estimate that costs the model: with and without it the same training must come out."""
    made = [
        train_classifier(
            data_of(single), out=tmp_path / str(wanted), settings=TrainSettings(method="naive-bayes", estimate=wanted)
        )
        for wanted in (True, False)
    ]
    assert made[1].facts["estimate"] is None
    assert "Estimated" not in (tmp_path / "False" / "README.md").read_text("utf-8")
    heads = [(one.folder / "head.safetensors").read_bytes() for one in made]
    assert heads[0] == heads[1]
    listings = [read_listing(one.folder)["provenance"] for one in made]
    assert listings[0] == listings[1]


@pytest.mark.usefixtures("no_cross_validation")
@pytest.mark.parametrize("options", [{"settings": TrainSettings(method="naive-bayes", estimate=False)}, {}])
def test_it_is_not_done_against_a_wish_or_beside_validation(tmp_path, single, options) -> None:
    """Prevents trainings that nobody wants, and two scores of one model side by side."""
    options = {"settings": TrainSettings(method="naive-bayes"), "validation": data_of(single)} | options
    assert train_classifier(data_of(single), out=tmp_path / "m", **options).facts["estimate"] is None


@pytest.mark.usefixtures("no_cross_validation")
def test_a_dear_training_tells_its_own_held_out_answers(tmp_path, single, tiny_encoder) -> None:
    """Prevents 36 trainings of an encoder unasked, and held-out answers that are there and not told."""
    settings = TrainSettings(method="setfit", steps=1, batch_size=8, folds=2)
    made = train_classifier(data_of(single), out=tmp_path / "m", settings=settings, encoder=tiny_encoder)
    estimate = made.facts["estimate"]
    assert estimate["value"] == made.classifier.report_["held_out_score"]
    assert estimate["n"] == made.classifier.report_["n_held_out"] > 0
    assert "own 2-fold" in estimate["made_by"]
    assert estimate["low"] < estimate["value"] < estimate["high"] or estimate["value"] in (0.0, 1.0)


def test_a_training_that_held_nothing_out_tells_nothing(single) -> None:
    """Prevents a score of 0 of 0."""
    from fewshot.classifiers.naive_bayes import NaiveBayesClassifier

    assert estimate_of_report(NaiveBayesClassifier().fit(single.texts, single.labels)) is None


def test_one_label_a_class_trains_without_an_estimate(tmp_path, single) -> None:
    """Prevents a training from failing for want of an estimate that nobody asked for, and silence where it was."""
    first = {label: row for row, label in reversed(list(enumerate(single.labels)))}
    few = data_of(single).select(first.values())
    assert (
        train_classifier(few, out=tmp_path / "m", settings=TrainSettings(method="naive-bayes")).facts["estimate"]
        is None
    )
    with pytest.raises(InputError, match="labels must hold two texts for each of two classes"):
        train_classifier(few, out=tmp_path / "n", settings=TrainSettings(method="naive-bayes", estimate=True))
    assert not (tmp_path / "n").exists()


def test_a_pool_gives_its_balance(tmp_path, single) -> None:
    """Prevents a file that is named and not read."""
    file = tmp_path / "pool.csv"
    file.write_text("text\n" + "\n".join(single.test_texts) + "\n", encoding="utf-8")
    settings = TrainSettings(method="naive-bayes", estimate_pool=str(file))
    estimate = train_classifier(data_of(single), out=tmp_path / "m", settings=settings).facts["estimate"]
    assert set(estimate["class_shares"]) == set(single.labels)
    assert any("in the pool of" in note for note in estimate["notes"])


@pytest.mark.parametrize(
    ("plan", "situation", "message"),
    [
        (Estimating(False, ["x"]), {}, "leave one of them out"),
        (Estimating(True), {"updates": True}, "--from goes on"),
        (Estimating(None, ["x"]), {"searches": True}, "labels that --search chose them on"),
    ],
)
def test_wishes_that_contradict_are_refused_before_the_training(single, plan, situation, message) -> None:
    """Prevents an estimate that flatters what was searched on the same labels, found after hours."""
    with pytest.raises(InputError, match=message):
        plan.check(data_of(single), **situation)


def test_what_is_cheap_is_known_by_the_table() -> None:
    """Prevents a list of names beside the table of methods, which the next method would not be on."""
    assert [is_cheap(name, 64) for name in ("knn", "linear-probe+augment", "uda", "distilled:static", "prompt")] == [
        *(True, True, False, False, False)
    ]
    assert not is_cheap("knn", estimating.MOST_LABELS + 1)


def test_trainings_on_the_same_texts_encode_them_once() -> None:
    """Prevents 36 trainings from paying 36 times for the same vectors."""
    from tests.conftest import ToyEncoder

    around = Surroundings(ToyEncoder(), [], None, 0)
    remembering = around.remembering()
    assert isinstance(remembering.encoder, CachedEncoder)
    assert remembering.remembering() is remembering
    for _ in range(2):
        remembering.encoder.encode(["a text"])
    assert around.encoder.encoded == ["a text"]
    bare = Surroundings(None, [], None, 0)
    assert bare.remembering() is bare
