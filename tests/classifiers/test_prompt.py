"""Filling masks for classes: scores against all logits by hand, calibration, training, and what is refused."""

import copy

import numpy as np
import pytest
from scipy.special import expit, logsumexp, softmax
from sklearn.exceptions import NotFittedError
from transformers import AutoModelForMaskedLM, AutoTokenizer

from fewshot.classifiers.augmented import augmented_examples
from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.prompt_scorer import CONTENT_FREE
from fewshot.classifiers.prompt_training import default_steps
from fewshot.core.artifacts import read_json, write_json
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.evaluation.thresholds import best_thresholds_per_label
from tests.classifiers.masked_cases import phrase_score, write_roberta

WORDS = {"billing": ["card", "payment"], "delivery": "parcel", "login": ["password", "my code"]}
IDS = {"billing": [["card"], ["payment"]], "delivery": [["parcel"]], "login": [["password"], ["my", "code"]]}
TEMPLATE = "{text} this is {mask} ."
LEARNING = {"templates": TEMPLATE, "label_words": WORDS, "steps": 30, "learning_rate": 3e-3}


def classifier_of(model, **options):
    """A zero-shot classifier of the toy classes."""
    return PromptClassifier(model, **{"templates": TEMPLATE, "label_words": WORDS} | options).fit()


@pytest.fixture(scope="module")
def zero_shot(tiny_masked):
    """The same, fitted on nothing; never altered."""
    return classifier_of(tiny_masked)


@pytest.fixture(scope="module")
def by_hand(tiny_masked):
    """A function that scores every phrase of a text in a template, from all logits of one sentence after another."""
    model = AutoModelForMaskedLM.from_pretrained(tiny_masked).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny_masked)

    def scores(text, template=TEMPLATE):
        return {
            name: [
                phrase_score(model, tokenizer, template.replace("{text}", text), tokenizer.convert_tokens_to_ids(words))
                for words in phrases
            ]
            for name, phrases in IDS.items()
        }

    return scores


def ratios(by_hand, text, template=TEMPLATE):
    """Log-ratios of a text's phrase probabilities to the mean of those of texts that say nothing."""
    free = [by_hand(empty, template) for empty in CONTENT_FREE]
    here = by_hand(text, template)
    return {
        name: [
            score - (logsumexp([other[name][number] for other in free]) - np.log(len(free)))
            for number, score in enumerate(scores)
        ]
        for name, scores in here.items()
    }


@pytest.mark.parametrize("aggregate", ["mean_log", "log_mean"])
@pytest.mark.parametrize("calibrate", [True, False])
def test_zero_shot_by_hand(tiny_masked, by_hand, single, calibrate, aggregate):
    """Prevents words, masks or baselines of one class from counting for another, and sums instead of means."""
    classifier = classifier_of(tiny_masked, calibrate=calibrate, aggregate=aggregate, temperature=2.0)
    texts = single.test_texts[:3]
    for text, found in zip(texts, classifier.predict_proba(texts), strict=True):
        above = ratios(by_hand, text) if calibrate else by_hand(text)
        scores = [
            np.mean(group) if aggregate == "mean_log" else logsumexp(group) - np.log(len(group))
            for group in above.values()
        ]
        np.testing.assert_allclose(found, softmax(np.array(scores) / 2.0), atol=1e-5)
    np.testing.assert_allclose(softmax(classifier.logits(texts), axis=1), classifier.predict_proba(texts), atol=1e-6)


@pytest.mark.parametrize("calibrate", [True, False])
def test_several_labels_by_hand(tiny_masked, by_hand, calibrate):
    """Prevents labels from competing for one probability where any number of them applies."""
    classifier = classifier_of(tiny_masked, multi_label=True, calibrate=calibrate, temperature=3.0)
    text = "refund my late parcel"
    n_words = classifier.model_.config.vocab_size
    above = ratios(by_hand, text) if calibrate else by_hand(text)
    scores = np.array([np.mean(group) for group in above.values()]) + (0.0 if calibrate else np.log(n_words))
    np.testing.assert_allclose(classifier.predict_proba([text])[0], expit(scores / 3.0), atol=1e-5)
    assert classifier.threshold_.tolist() == [0.5] * 3
    assert set(classifier.predict([text])[0]) == set(classifier.classes_[scores > 0].tolist())


def test_several_templates_are_averaged(tiny_masked, by_hand):
    """Prevents all but one template from being dropped, or masks of one from being read in another."""
    templates = (TEMPLATE, "{mask} : {text}")
    classifier = classifier_of(tiny_masked, templates=templates, calibrate=False)
    text = "refund my late parcel"
    each = [np.array([np.mean(group) for group in by_hand(text, template).values()]) for template in templates]
    np.testing.assert_allclose(classifier.predict_proba([text])[0], softmax(np.mean(each, axis=0)), atol=1e-5)


def test_byte_level_words_by_hand(tmp_path):
    """Prevents a byte-level model from being asked for a word without the space that stands before it."""
    folder = write_roberta(tmp_path / "roberta")
    words = {"good": "good", "bad": ["bad", "late refund"]}
    template = "{text} This is {mask}."
    classifier = PromptClassifier(folder, templates=template, label_words=words, calibrate=False).fit()
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text in ("my parcel", "déjà 🙂"):
        sentence = template.replace("{text}", text).replace(" {mask}", "{mask}")  # the mask takes the space

        def score(*tokens, sentence=sentence):
            return phrase_score(model, tokenizer, sentence, tokenizer.convert_tokens_to_ids(list(tokens)))

        expected = softmax([(score("Ġbad") + score("Ġlate", "Ġrefund")) / 2, score("Ġgood")])
        np.testing.assert_allclose(classifier.predict_proba([text])[0], expected, atol=1e-5)
    assert load_and_save(classifier, tmp_path / "saved").predict_proba(["x"]).shape == (1, 2)


def load_and_save(classifier, folder):
    """Save a classifier and open it again."""
    classifier.save(folder)
    return load_classifier(folder, device="cpu")


def test_a_text_that_says_nothing_is_undecided(zero_shot):
    """Prevents calibration from being measured on other texts or with other prompts than those that are asked."""
    probabilities = zero_shot.predict_proba(list(CONTENT_FREE))
    scores = zero_shot.logits(list(CONTENT_FREE))[:, 1]  # one class with one word
    assert logsumexp(scores) - np.log(3) == pytest.approx(0.0, abs=1e-5)
    assert probabilities.shape == (3, 3)


def test_the_same_scores_in_any_company(zero_shot, pool):
    """Prevents padding, order, repetition or batches from changing a text's scores."""
    texts = [*pool[:20], "x", pool[3], "the refund " * 400, ""]
    scores = zero_shot.logits(texts)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores[21], scores[3])
    order = np.random.default_rng(0).permutation(len(texts))
    for batch_size in (1, 5, 64):
        other = copy.copy(zero_shot)
        other._scorer = copy.copy(zero_shot._scorer)
        other._scorer.batch_size = batch_size
        np.testing.assert_allclose(other.logits([texts[i] for i in order]), scores[order], atol=1e-4)


def test_classes_without_a_text(tiny_masked):
    """Prevents zero-shot from needing an example, and classes from being those of the words alone."""
    named = PromptClassifier(tiny_masked, classes=["login", "card_lost"]).fit()
    assert named.classes_.tolist() == ["card_lost", "login"]
    assert named.report_["chosen"] == "zero-shot"
    assert named.predict(["a text"]).tolist()[0] in ("card_lost", "login")
    numbers = PromptClassifier(tiny_masked, label_words={5: "card", -2: "code"}, multi_label=True).fit()
    assert numbers.classes_.tolist() == [-2, 5]
    assert numbers.predict_proba(["a"]).shape == (1, 2)
    assert PromptClassifier(tiny_masked, classes=np.array([3, 1])).fit().classes_.tolist() == [1, 3]
    with pytest.raises(InputError, match="texts must not be empty"):
        PromptClassifier(tiny_masked).fit()


def test_classes_and_labels_together(tiny_masked, single):
    """Prevents a class without a text from being forgotten, and a label from joining classes that were named."""
    texts, labels = single.texts, single.labels
    more = PromptClassifier(tiny_masked, label_words={"weather": "today"}, steps=2).fit(texts, labels)
    assert more.classes_.tolist() == ["billing", "delivery", "login", "weather"]
    fewer = PromptClassifier(tiny_masked, classes=["billing", "delivery"], steps=2)
    with pytest.raises(InputError, match="'login' is not one of the 2 classes"):
        fewer.fit(texts, labels)
    several = PromptClassifier(tiny_masked, classes=["billing", "login"], steps=0)
    assert several.fit(["a", "b"], [(), ()]).label_space_.multi_label


def test_training_learns(tiny_masked, single):
    """Prevents a trainer that runs and learns nothing; the toy words say nothing to a random model before it."""
    classifier = PromptClassifier(tiny_masked, **LEARNING).fit(single.texts, single.labels)
    assert len(classifier.losses_) == 30
    assert np.mean(classifier.losses_[-5:]) < 0.5 * np.mean(classifier.losses_[:5])
    assert classifier.score(single.texts, single.labels) >= 0.9
    assert classifier.report_["chosen"] == "trained"
    assert classifier.report_["steps"] == 30
    untrained = classifier_of(tiny_masked)
    np.testing.assert_array_equal(classifier.baseline_, untrained.baseline_)  # measured before the training


def test_copies_train_like_texts(tiny_masked, single):
    """Prevents copies that are made and not learnt from, and steps that do not count them."""
    copied, y, _ = augmented_examples(single.texts, np.arange(len(single.texts)), "swap", 3)
    labels = [single.labels[row] for row in y]
    options = {**LEARNING, "steps": 3, "random_state": 3}
    by_hand = PromptClassifier(tiny_masked, **options).fit(copied, labels)
    with_copies = PromptClassifier(tiny_masked, augment="swap", **options).fit(single.texts, single.labels)
    plain = PromptClassifier(tiny_masked, **options).fit(single.texts, single.labels)
    answers = [made.predict_proba(single.test_texts) for made in (by_hand, with_copies, plain)]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert np.abs(answers[1] - answers[2]).max() > 1e-4
    with pytest.raises(InputError, match="Did you mean 'swap'"):
        PromptClassifier(tiny_masked, augment="swapp").fit(single.texts, single.labels)


def test_training_with_several_labels(tiny_masked, multi):
    """Prevents a softmax over labels of which several, or none, apply."""
    classifier = PromptClassifier(tiny_masked, **{**LEARNING, "steps": 60}).fit(multi.texts, multi.labels)
    assert classifier.score(multi.texts, multi.labels) >= 0.7
    assert classifier.threshold_.tolist() == [0.5] * 3


def test_without_steps_labels_choose_thresholds_alone(tiny_masked, zero_shot, multi, single):
    """Prevents ``steps=0`` from training, and thresholds of 0.5 where labels say better."""
    words = {"templates": TEMPLATE, "label_words": WORDS, "steps": 0}
    classifier = PromptClassifier(tiny_masked, **words).fit(multi.texts, multi.labels)
    assert classifier.losses_ == []
    probabilities = classifier_of(tiny_masked, multi_label=True).predict_proba(multi.texts)
    np.testing.assert_array_equal(classifier.predict_proba(multi.texts), probabilities)
    y = classifier.label_space_.encode(multi.labels)
    np.testing.assert_array_equal(classifier.threshold_, best_thresholds_per_label(y, probabilities))
    classifier = PromptClassifier(tiny_masked, **words).fit(single.texts, single.labels)
    np.testing.assert_array_equal(classifier.predict_proba(single.texts), zero_shot.predict_proba(single.texts))


def test_validation_keeps_the_better_model(tiny_masked, zero_shot, single):
    """Prevents a training that does harm from being kept although labels say so."""
    texts = single.test_texts
    as_it_was = (texts, zero_shot.predict(texts).tolist())
    kept = PromptClassifier(tiny_masked, **LEARNING).fit(single.texts, single.labels, validation=as_it_was)
    assert kept.report_["chosen"] == "zero-shot"
    assert kept.report_["held_out"]["zero-shot"] == 1.0 > kept.report_["held_out"]["trained"]
    assert "does not help" in kept.report_["notes"][-1]
    np.testing.assert_array_equal(kept.predict_proba(texts), zero_shot.predict_proba(texts))
    right = (texts, single.test_labels)
    trained = PromptClassifier(tiny_masked, **LEARNING).fit(single.texts, single.labels, validation=right)
    assert trained.report_["chosen"] == "trained"
    assert trained.report_["held_out"]["trained"] >= trained.report_["held_out"]["zero-shot"]


def test_validation_chooses_thresholds(tiny_masked, multi):
    """Prevents thresholds from being chosen on what the model has learnt by heart."""
    validation = (multi.test_texts, multi.test_labels)
    classifier = PromptClassifier(tiny_masked, **LEARNING).fit(multi.texts, multi.labels, validation=validation)
    y = classifier.label_space_.encode(multi.test_labels)
    expected = best_thresholds_per_label(y, classifier.predict_proba(multi.test_texts))
    np.testing.assert_array_equal(classifier.threshold_, expected)


def test_saved_with_all_that_was_given(tiny_masked, tmp_path):
    """Prevents integer names that JSON has made strings of from losing their words, and settings from being lost."""
    words = {7: ["card", "payment"], -1: "parcel"}
    settings = {
        "label_words": words,
        "templates": (TEMPLATE, "{mask} {text}"),
        "classes": (7, -1),
        "aggregate": "log_mean",
    }
    classifier = PromptClassifier(tiny_masked, **settings, max_length=40).fit()
    loaded = load_and_save(classifier, tmp_path / "model")
    assert loaded.classes_.tolist() == [-1, 7]
    assert loaded.max_length_ == 40
    texts = ["refund", "the parcel " * 100]
    np.testing.assert_array_equal(loaded.predict_proba(texts), classifier.predict_proba(texts))
    again = load_and_save(loaded, tmp_path / "again")
    np.testing.assert_array_equal(again.predict_proba(texts), classifier.predict_proba(texts))
    card = (tmp_path / "model" / "README.md").read_text()
    assert "kept: zero-shot" in card
    assert "reads 40 tokens at once" in card


@pytest.mark.parametrize("damage", ["tokenizer", "baseline", "words", "weights"])
def test_damaged_folders(zero_shot, tmp_path, damage):
    """Prevents half a model from answering."""
    folder = tmp_path / "model"
    zero_shot.save(folder)
    if damage == "tokenizer":
        (folder / "tokenizer_config.json").unlink()
    elif damage == "weights":
        (folder / "model.safetensors").unlink()
    else:
        listing = read_json(folder / "fewshot.json")
        words = listing["params"]["label_words"]
        words["billing"] = ["card"] if damage == "baseline" else 3
        write_json(folder / "fewshot.json", listing)
    with pytest.raises((ModelFormatError, InputError)):
        load_classifier(folder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"templates": "{text} is about"}, "one {text} and one {mask}"),
        ({"label_words": {"a": "card", "b": "Card"}}, "labels 'a' and 'b' have the same words"),
        ({"label_words": {"c": "card"}, "classes": ["a", "b"]}, "'c' is not one of the 2 classes"),
        ({"label_words": {"a": "слово", "b": "card"}}, "cannot spell 'слово'"),
        ({"classes": "ab"}, "classes must be a list"),
        ({"classes": []}, "classes must be a list"),
        ({"classes": ["a", "b", "a"]}, "classes must all be different"),
        ({"classes": ["a"]}, "one class only"),
        ({"aggregate": "sum"}, "aggregate must be"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"mlm_weight": -1.0}, "mlm_weight must be"),
        ({"steps": -1}, "steps must be"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate must be"),
        ({"accumulation": 0}, "accumulation must be"),
        ({"precision": "half"}, "precision must be"),
        ({"max_length": 0}, "max_length must be 1 to 64"),
        ({"max_length": 65}, "max_length must be 1 to 64"),
        ({"max_length": 12}, "leaves no room for a text"),
        ({"random_state": -1}, "random_state must be"),
    ],
)
def test_bad_arguments(tiny_masked, settings, message):
    """Prevents an error far from the mistake, or an answer in spite of it."""
    with pytest.raises(InputError) as raised:
        PromptClassifier(tiny_masked, **{"classes": ["a", "b"]} | settings).fit()
    assert message in str(raised.value)


def test_kinds_of_labels_that_contradict(tiny_masked, single, multi):
    """Prevents sets of labels from being trained as classes of which one is right."""
    with pytest.raises(InputError, match="multi_label=True does not fit labels, which are one label a text"):
        PromptClassifier(tiny_masked, multi_label=True).fit(single.texts, single.labels)
    with pytest.raises(InputError, match="multi_label=False does not fit labels, which are sets of labels"):
        PromptClassifier(tiny_masked, multi_label=False).fit(multi.texts, multi.labels)
    with pytest.raises(NotFittedError):
        PromptClassifier(tiny_masked).logits(["a"])


def test_default_steps():
    """Prevents a training that grows without bound, or one that ends before the learning rate has risen."""
    assert [default_steps(n, 16) for n in (1, 8, 80, 10**6)] == [60, 60, 100, 250]
    assert PromptClassifier(batch_size=4, accumulation=4)._training().schedule(80).steps == 100
