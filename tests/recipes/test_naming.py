"""Class names alone make a classifier."""

import json

import pytest

from fewshot.classifiers.loading import load_classifier
from fewshot.core.errors import InputError
from fewshot.data.texts import TextData
from fewshot.recipes.naming import name_classifier
from fewshot.recipes.sources import Reading
from fewshot.recipes.teaching import TrainSettings, train_classifier
from tests.classifiers.masked_cases import write_masked
from tests.conftest import OPENINGS, TOPICS

NAMES = tuple(TOPICS)


def texts_of(topic):
    """Return two texts about a topic."""
    return [f"hello {word}" for word in TOPICS[topic][:2]]


@pytest.mark.parametrize("several", [None, True])
def test_names_are_all_that_it_is_told(tmp_path, tiny_topical, tiny_nli, tiny_tokenizer, several):
    """Prevents those without a single label from being sent to Python, and names in another order than was given."""
    methods = {"zero-shot-embedding": tiny_topical, f"zero-shot-nli:{tiny_nli}": None}
    methods[f"prompt:{write_masked(tmp_path / 'masked', tiny_tokenizer)}"] = None
    for method, encoder in methods.items():
        out = tmp_path / method.partition(":")[0]
        settings = TrainSettings(method=method, classes=NAMES[::-1])
        made = name_classifier(out=out, settings=settings, reading=Reading(multi_label=several), encoder=encoder)
        assert (made.facts["texts"], made.facts["classes"]) == (0, len(NAMES))
        model = load_classifier(out, device="cpu")
        assert list(model.classes_) == sorted(NAMES)
        assert model.label_space_.multi_label is bool(several)
        if out.name == "prompt":  # its model fills in words at random
            continue
        rows = [(topic, text) for topic in NAMES for text in texts_of(topic)]
        answers = model.predict_proba([text for _, text in rows]).argmax(axis=1)
        right = [model.classes_[answer] == topic for answer, (topic, _) in zip(answers, rows, strict=True)]
        assert sum(right) > 0.6 * len(right)


def test_a_pool_is_said_to_be_too_small(tmp_path, tiny_topical):
    """Prevents a model card that counts texts by which nothing was done, and labels of a pool that must be readable."""
    (tmp_path / "pool.csv").write_text("text,labels\nhello,a|b\nmy parcel,1.5\n")
    settings = TrainSettings(method="zero-shot-embedding", classes=NAMES, unlabeled=str(tmp_path / "pool.csv"))
    made = name_classifier(
        out=tmp_path / "m", settings=settings, reading=Reading(multi_label=False, label="tags"), encoder=tiny_topical
    )
    assert ["2 unlabelled texts are too few" in note for note in made.facts["notes"]] == [True]


def test_descriptions_name_the_classes(tmp_path, tiny_topical):
    """Prevents names from being asked for twice, and a pool that is read and not used."""
    (tmp_path / "words.json").write_text(json.dumps({name: TOPICS[name][0] for name in NAMES}))
    pool = [f"{opening} {word}" for opening in OPENINGS for words in TOPICS.values() for word in words]
    (tmp_path / "pool.csv").write_text("\n".join(["text", *pool]))
    settings = TrainSettings(method="zero-shot-embedding", label_words=str(tmp_path / "words.json"))
    plain = name_classifier(out=tmp_path / "a", settings=settings, encoder=tiny_topical)
    assert list(plain.classifier.classes_) == sorted(NAMES)
    settings = TrainSettings(**{**vars(settings), "unlabeled": str(tmp_path / "pool.csv")})
    centered = name_classifier(out=tmp_path / "b", settings=settings, encoder=tiny_topical)
    assert (plain.classifier.head_.coef != centered.classifier.head_.coef).any()
    assert "pool hash: " in (tmp_path / "b" / "README.md").read_text("utf-8")


def test_zero_shot_settings_reach_the_model(tmp_path, tiny_topical, tiny_nli):
    """Prevents settings that only Python reaches, and such that are taken and not heeded."""
    given = {"decision": "top-k", "top_k": 2}
    of_method = {
        "zero-shot-embedding": ({**given, "centering": False}, tiny_topical),
        f"zero-shot-nli:{tiny_nli}": ({**given, "aggregate": "max", "contrast": "all"}, None),
    }
    for method, (params, encoder) in of_method.items():
        settings = TrainSettings(method=method, classes=NAMES, **params)
        out = tmp_path / method.partition(":")[0]
        name_classifier(out=out, settings=settings, reading=Reading(multi_label=True), encoder=encoder)
        model = load_classifier(out, device="cpu")
        assert {name: getattr(model, name) for name in params} == params
        assert [len(labels) for labels in model.predict(["hello parcel", "my card"])] == [2, 2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": NAMES}, "'setfit' learns from labelled texts.*zero-shot-nli, zero-shot-embedding"),
        ({"method": "zero-shot-embedding", "classes": "refund,login"}, "got one string"),
        ({"method": "zero-shot-embedding", "classes": ()}, "name the classes: --classes a,b"),
        ({"method": "zero-shot-embedding", "label_words": "five.json"}, "label_words"),
        ({"method": "zero-shot-embedding"}, "name the classes: --classes a,b"),
        ({"method": "zero-shot-embedding", "classes": NAMES, "search": 3}, "--search needs labelled texts"),
        ({"method": "zero-shot-embedding", "classes": NAMES, "estimate": True}, "--estimate needs labelled texts"),
        ({"method": "zero-shot-embedding", "classes": NAMES, "k": 3}, "no setting --k"),
        ({"method": "zero-shot-embedding", "classes": NAMES[:1]}, "one class"),
        ({"method": "zero-shot-nli", "classes": NAMES, "unlabeled": "pool.csv"}, "leave out --unlabeled"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_opened(tmp_path, monkeypatch, settings, message):
    """Prevents a model from being fetched for a command that cannot end well."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "five.json").write_text("5")
    monkeypatch.setattr("fewshot.recipes.naming.load_encoder", None)
    with pytest.raises(InputError, match=message):
        name_classifier(out=tmp_path / "m", settings=TrainSettings(**settings))
    assert not (tmp_path / "m").exists()


def test_names_join_those_of_labelled_texts(tmp_path, tiny_topical):
    """Prevents a class without a text from being left out where some of the others have texts."""
    texts = [text for name in NAMES[:2] for text in texts_of(name)]
    data = TextData(texts, [name for name in NAMES[:2] for _ in range(2)], multi_label=False, rows=list(range(4)))
    settings = TrainSettings(method="zero-shot-embedding", classes=NAMES)
    made = train_classifier(data, out=tmp_path / "m", settings=settings, encoder=tiny_topical)
    assert set(made.classifier.classes_) == set(NAMES)
