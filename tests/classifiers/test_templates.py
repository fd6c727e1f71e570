"""Class names as data: filled safely, used where they help, and enough alone where there is no text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.classifiers.templates import (
    TEMPLATE,
    Examples,
    check_label_words,
    check_templates,
    help_of_sentences,
    sentences,
    words_of,
)
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from tests.conftest import TOPICS

WORDS = {name: " ".join(words) for name, words in TOPICS.items()}


@pytest.mark.parametrize("bad", ["no braces", "{} and {}", "{0}", "", 3, [3], ["About {}", "about"], {"a": 1}, b"{}"])
def test_templates_without_one_place_are_refused(bad):
    """Prevents a sentence that names no class, or a TypeError where a number was given for a template."""
    with pytest.raises(InputError, match="templates"):
        check_templates(bad)


def test_templates_of_all_kinds_become_a_tuple():
    """Prevents one template from being read as a list of letters."""
    assert check_templates("auto") == (TEMPLATE,)
    assert check_templates("About {}") == ("About {}",)
    assert check_templates(["About {}", "{}!"]) == ("About {}", "{}!")
    assert check_templates(None) == check_templates([]) == check_templates("none") == ()


@given(before=st.text(max_size=20), after=st.text(max_size=20), word=st.text(max_size=20))
def test_any_other_sign_stands_for_itself(before, after, word):
    """Prevents braces in a template or a class name from being read as a format."""
    template = before + "{}" + after
    if template.count("{}") == 1:
        assert sentences(check_templates(template), [word], multi_label=False)[0] == [before + word + after]


@pytest.mark.parametrize("name", ["{", "}", "{}", "{0}", "{0.__class__}", "{word}", "%s", "{0.__init__.__globals__}"])
def test_a_class_name_is_never_a_format(name):
    """Prevents a class name from reaching into objects, or from ending the training with a KeyError."""
    for template in ("About {}.", "{0.__class__}: {}", "{{}}", "{x} {", "} {}"):
        if template.count("{}") == 1:
            [text], _ = sentences([template], [name], multi_label=False)
            assert text == template.partition("{}")[0] + name + template.partition("{}")[2]


def test_sentences_know_their_classes():
    """Prevents the second template from naming other classes than the first."""
    texts, y = sentences(["a {}", "b {}"], ["x", "y"], multi_label=False)
    assert texts == ["a x", "a y", "b x", "b y"]
    assert y.tolist() == [0, 1, 0, 1]
    _, rows = sentences(["a {}", "b {}"], ["x", "y"], multi_label=True)
    assert rows.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]


def test_words_are_the_given_ones_or_the_name():
    """Prevents ``card_lost`` from standing as one unknown word, and integer names from breaking a sentence."""
    assert words_of(LabelSpace(("a-b", "c_d", "e"), False), {"e": " an e "}) == ["a b", "c d", "an e"]
    assert words_of(LabelSpace((3, 7), True), {7: "seven"}) == ["3", "seven"]


@pytest.mark.parametrize("bad", [["a"], "a", {"a": ""}, {"a": "  "}, {"a": 3}, {"a": None}])
def test_words_that_say_nothing_are_refused(bad):
    """Prevents sentences about nothing."""
    with pytest.raises(InputError, match="label_words"):
        check_label_words(bad)


def test_joined_examples_keep_the_own_ones_first():
    """Prevents sentences from being counted as the user's texts, and labels from changing their type."""
    own = Examples(["a", "b"], np.array([0, 1]), 2)
    joined = own.joined(["c"], np.array([1], dtype=np.int32))
    assert (joined.texts, joined.y.tolist(), joined.n_own) == (["a", "b", "c"], [0, 1, 1], 2)
    assert joined.y.dtype == own.y.dtype
    assert len(own.texts) == 2


def test_copies_stand_between_own_texts_and_sentences():
    """Prevents copies from counting as the user's texts or as sentences, and sources that move with other rows."""
    examples = Examples(
        ["a b", "c d", "b a", "a d"], np.array([0, 1, 0, 0]), 2, np.array([[0, 0], [1, 1], [0, 0], [0, 1]])
    )
    examples = examples.joined(["about a"], np.array([0]))
    assert (examples.n_own, examples.n_copies, examples.n_sentences) == (2, 2, 1)
    assert examples.joined([], np.empty(0, dtype=int)).source_rows.tolist() == examples.source_rows.tolist()
    plain = examples.without_copies()
    assert (plain.texts, plain.y.tolist(), plain.n_own) == (["a b", "c d", "about a"], [0, 1, 0], 2)
    assert plain.source_rows.tolist() == [[0], [1], [2]]
    left = examples.without(np.array([1]))
    assert (left.texts, left.n_own, left.source_rows.tolist()) == (
        ["a b", "b a", "about a"],
        1,
        [[0, 0], [0, 0], [2, 2]],
    )


def cloud(per_class=6, n_classes=4, noise=0.6, seed=0):
    """Return unit vectors around class directions, their classes, and the directions."""
    rng = np.random.default_rng(seed)
    centers = np.linalg.qr(rng.normal(size=(16, 16)))[0][:n_classes]
    y = np.repeat(np.arange(n_classes), per_class)
    X = centers[y] + noise * rng.normal(size=(len(y), 16)) / 4
    return X / np.linalg.norm(X, axis=1, keepdims=True), y, centers


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_names_that_fit_help_and_codes_hurt(multi_label, seed):
    """Prevents names from being used the wrong way round: fitting ones dropped, misleading ones learnt."""
    X, y, centers = cloud(seed=seed, noise=0.6 if multi_label else 1.2)
    y_names = np.arange(4)
    if multi_label:
        y, y_names = np.eye(4, dtype=int)[y], np.eye(4, dtype=int)
    options = {"n_classes": 4, "random_state": seed}
    assert help_of_sentences(X, y, centers, y_names, **options) > 0
    assert help_of_sentences(X, y, np.roll(centers, 1, axis=0), y_names, **options) < 0


def test_help_is_the_same_twice():
    """Prevents a choice that changes between two runs."""
    X, y, centers = cloud()
    first, again = (help_of_sentences(X, y, centers, np.arange(4), n_classes=4, random_state=7) for _ in range(2))
    assert first == again


def test_help_is_a_mean_of_held_out_log_likelihoods():
    """Prevents a measure on the labels that were learnt from: ten lines of NumPy find the same."""
    from sklearn.model_selection import StratifiedKFold

    X, y, centers = cloud(noise=1.5)

    def likelihood(X_known, y_known, X_new, y_new):
        means = np.stack([X_known[y_known == label].sum(axis=0) for label in range(4)])
        logits = 10 * X_new @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
        return np.sum(logits[np.arange(len(y_new)), y_new] - np.log(np.exp(logits).sum(axis=1)))

    gain = 0.0
    for seed in range(5):
        for known, new in StratifiedKFold(4, shuffle=True, random_state=seed).split(X, y):
            both = np.vstack([X[known], centers]), np.concatenate([y[known], np.arange(4)])
            gain += likelihood(*both, X[new], y[new]) - likelihood(X[known], y[known], X[new], y[new])
    found = help_of_sentences(X, y, centers, np.arange(4), n_classes=4, random_state=0)
    assert found == pytest.approx(gain / (5 * len(X)))


def test_few_labels_take_the_names():
    """Prevents folds of nothing where names are most of what is known."""
    X, y, centers = cloud()
    for rows in (slice(0, 0), slice(0, 7), [0, 6, 12, 18]):
        assert help_of_sentences(X[rows], y[rows], centers, np.arange(4), n_classes=4, random_state=0) == np.inf
    singles = np.arange(9)
    assert help_of_sentences(np.eye(9), singles, np.eye(9), singles, n_classes=9, random_state=0) == np.inf


def test_a_rare_class_breaks_no_fold():
    """Prevents scikit-learn's refusal of a class with fewer rows than folds."""
    X, y, centers = cloud()
    keep = np.concatenate([np.flatnonzero(y != 3), np.flatnonzero(y == 3)[:1]])
    assert np.isfinite(help_of_sentences(X[keep], y[keep], centers, np.arange(4), n_classes=4, random_state=0))


@pytest.mark.parametrize("steps", [0, 2])
def test_no_text_at_all_is_enough(tiny_encoder, single, steps):
    """Prevents a refusal, or folds of nothing, where classes are only named."""
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=steps, label_words=WORDS).fit([], [])
    assert classifier.classes_.tolist() == sorted(WORDS)
    assert classifier.score(single.test_texts, single.test_labels) >= 0.8
    assert classifier.memory_ is None
    assert classifier.report_["name_sentences"] == 3
    assert classifier.report_["help_of_names"] is None  # infinity is no JSON


@pytest.mark.parametrize("templates", ["auto", None, ["{}", "about {}"]])
def test_a_class_without_text_is_learnt_from_its_words(tiny_encoder, single, templates):
    """Prevents a class that is only named from having probability 0, or from being unknown."""
    rows = [i for i, label in enumerate(single.labels) if label != "login"]
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=0, templates=templates, label_words=WORDS)
    classifier.fit([single.texts[i] for i in rows], [single.labels[i] for i in rows])
    assert classifier.classes_.tolist() == ["billing", "delivery", "login"]
    login = [text for text, label in zip(single.test_texts, single.test_labels, strict=True) if label == "login"]
    assert classifier.predict_proba(login)[:, 2].mean() > 1.5 * classifier.predict_proba(single.test_texts)[:, 2].mean()


def test_a_label_without_text_is_learnt_from_its_words(tiny_encoder, multi):
    """Prevents the same in a multi-label task."""
    labels = [tuple(label for label in entry if label != "login") for entry in multi.labels]
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=0, templates=None, label_words=WORDS)
    classifier.fit(multi.texts, labels)
    assert classifier.classes_.tolist() == ["billing", "delivery", "login"]
    assert classifier.report_["name_sentences"] == 1
    column = classifier.predict_proba([*WORDS.values()])[:, 2]
    assert column.argmax() == 2


def test_texts_without_label_beside_named_labels_are_multi_label(tiny_encoder):
    """Prevents a refusal where texts say only what belongs to no label, and labels are only named."""
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=0, label_words=WORDS)
    classifier.fit(["hello again", "why the"], [(), ()])
    assert classifier.label_space_.multi_label
    assert classifier.predict_proba(["refund"]).shape == (1, 3)


def test_one_named_class_is_not_enough(tiny_encoder):
    """Prevents a classifier that can only say one thing."""
    with pytest.raises(InputError, match="one class only"):
        SetFitClassifier(encoder=tiny_encoder, label_words={"a": "word"}).fit([], [])
    with pytest.raises(InputError, match="texts must not be empty"):
        SetFitClassifier(encoder=tiny_encoder).fit([], [])


def test_codes_are_told_from_words(tiny_encoder, single):
    """Prevents codes for names from being learnt, and names that help from being left out."""
    words = dict(zip(sorted(WORDS), [WORDS["delivery"], WORDS["login"], WORDS["billing"]], strict=True))
    fitted = {}
    for name, label_words in (("right", WORDS), ("wrong", words)):
        classifier = SetFitClassifier(encoder=tiny_encoder, steps=0, label_words=label_words)
        fitted[name] = classifier.fit(single.texts, single.labels).report_
    assert fitted["right"]["help_of_names"] > 0 > fitted["wrong"]["help_of_names"]
    assert (fitted["right"]["name_sentences"], fitted["wrong"]["name_sentences"]) == (3, 0)
    assert any("does harm and is not used" in note for note in fitted["wrong"]["notes"])


def test_braces_in_class_names_do_no_harm(tiny_encoder, single):
    """Prevents a class name that is a format from ending a fit."""
    names = {"billing": "{", "delivery": "{0.__class__}", "login": "{0}"}
    labels = [names[label] for label in single.labels]
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=0, templates="{x} {} {").fit(single.texts, labels)
    assert classifier.report_["name_sentences"] == 3
    assert set(classifier.predict(single.test_texts)) <= set(names.values())
