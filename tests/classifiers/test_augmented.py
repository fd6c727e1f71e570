"""Learning from copies: each name makes what it says, and no copy of a held-out text ever helps to judge it."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from sklearn.base import clone

from fewshot.classifiers import linear_probe, trainings
from fewshot.classifiers.augmented import NAMES, augmented_examples, described, find_augmentations
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.core.errors import InputError
from fewshot.data.augmentation import OPERATIONS, TokenAugmentation
from fewshot.heads import logistic

TEXTS, Y = (
    ["the parcel never came", "my parcel is late", "refund my card", "my card was charged"],
    np.array([0, 0, 1, 1]),
)


@dataclasses.dataclass
class Fixed:
    """Copies that a test wrote."""

    copies: list
    rows: object

    def augmented(self, texts, y, *, random_state):
        self.seed = random_state
        return self.copies, self.rows


class Unnamed:
    """An augmentation without words for itself."""

    def augmented(self, texts, y, *, random_state):
        return [f"{text} again" for text in texts], np.arange(len(texts))


@pytest.mark.parametrize("multi_label", [False, True])
def test_copies_come_after_the_texts_with_their_labels(multi_label):
    """Prevents labels that belong to another text, and originals that are moved or changed."""
    y = np.eye(2, dtype=int)[Y] if multi_label else Y
    texts, labels, rows = augmented_examples(TEXTS, y, "tokens", 0)
    assert texts[:4] == TEXTS
    assert len(texts) == 20
    np.testing.assert_array_equal(labels, y[rows[:, 0]])
    np.testing.assert_array_equal(rows[:4], [[row, row] for row in range(4)])


def test_without_augment_nothing_changes():
    """Prevents copies that nobody asked for, and a crash where there is no text to copy."""
    texts, y, rows = augmented_examples(TEXTS, Y, None, 0)
    assert (texts, y.tolist(), rows.tolist()) == (TEXTS, Y.tolist(), [[0], [1], [2], [3]])
    assert augmented_examples([], np.empty(0, dtype=int), "tokens", 0)[0] == []


def test_names_stand_for_augmentations():
    """Prevents a name that stands for another one, or settings of a method's own that single operations lose."""
    mine = TokenAugmentation(("mix",), 7, 0.3)
    assert find_augmentations(None) == []
    assert find_augmentations("tokens", tokens=mine) == [mine]
    for name in OPERATIONS:
        assert find_augmentations(name, tokens=mine) == [TokenAugmentation((name,), 7, 0.3)]
    contextual, there_and_back, same = find_augmentations(
        ("contextual:a/b", "back-translation:some/forth,some/back", mine), device="cpu"
    )
    assert (contextual.model, contextual.device) == ("a/b", "cpu")
    assert (there_and_back.forth, there_and_back.back, there_and_back.device) == ("some/forth", "some/back", "cpu")
    assert same is mine


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        ("swop", "augment must be one of tokens, swap, .*got 'swop'. Did you mean 'swap'"),
        ("", "augment must be one of"),
        ([], "augment must be one of"),
        (["swap", 3], "got 3"),
        (True, "got True"),
        (TokenAugmentation, "augment must be one of"),
        ("contextual:", "contextual augmentation needs the name"),
        ("back-translation:a", "back-translation augmentation needs the name"),
        (repr(TokenAugmentation()), "It was an object when the classifier was saved: give it again"),
    ],
)
def test_what_is_no_augmentation_is_refused(augment, message):
    """Prevents a misspelt name from training without copies; each method refuses at the door."""
    with pytest.raises(InputError, match=message):
        find_augmentations(augment)
    for classifier in (NaiveBayesClassifier, LinearProbeClassifier, SetFitClassifier):
        given = {} if classifier is NaiveBayesClassifier else {"encoder": "bundled"}
        with pytest.raises(InputError, match=message):
            classifier(**given, augment=augment).fit(["a", "b"], ["x", "y"])


@pytest.mark.parametrize(
    ("copies", "rows", "message"),
    [
        (["a b", "c"], np.array([0]), "must return a list of texts and an array with a row for each"),
        (["a b", 3], np.array([0, 1]), "must return a list of texts"),
        (["a b"], np.zeros((1, 1, 1), dtype=int), "must return a list of texts"),
        (["a b"], np.array([4]), "must return source rows from 0 to 3"),
        (["a b"], np.array([-1]), "must return source rows from 0 to 3"),
        (["a b"], np.array([0.0]), "must return source rows from 0 to 3"),
    ],
)
def test_what_is_no_copies_is_refused(copies, rows, message):
    """Prevents an augmentation of one's own from labelling its texts at random."""
    with pytest.raises(InputError, match=f"Fixed {message}"):
        augmented_examples(TEXTS, Y, Fixed(copies, rows), 0)


@pytest.mark.parametrize("random_state", [None, -1, 1.5, True])
def test_a_seed_is_an_integer(random_state):
    """Prevents copies that nobody can make again, and a TypeError about a sum."""
    with pytest.raises(InputError, match="random_state must be an integer of at least 0"):
        NaiveBayesClassifier(augment="swap", random_state=random_state).fit(["a b", "c d"], ["x", "y"])
    assert augmented_examples(TEXTS, Y, None, random_state)[0] == TEXTS


def test_several_augmentations_make_no_text_twice():
    """Prevents copies of copies, texts that two made alike, and sources of different width from being mixed up."""
    one = Fixed(["late Parcel", TEXTS[3].upper(), ""], np.array([1, 0, 2]))
    two = Fixed(["late  parcel", "card refund"], [[0, 1], [2, 3]])
    texts, y, rows = augmented_examples(TEXTS, Y, [one, two], 7)
    assert texts[4:] == ["late Parcel", "card refund"]
    assert y[4:].tolist() == [0, 1]
    assert rows[4:].tolist() == [[1, 1], [2, 3]]
    assert one.seed != two.seed
    assert augmented_examples(TEXTS, Y, Fixed([], []), 0)[0] == TEXTS


def lonely_texts(n):
    """Texts that share no word with each other, so that a word tells where it is from."""
    letters = ["".join(pair) for pair in itertools.product("abcdefghijk", repeat=2)]
    return [f"{letters[i]}q {letters[i]}w {letters[i]}e {letters[i]}r" for i in range(n)]


def words_of(texts):
    """The words of all texts together."""
    return {word for text in texts for word in text.split()}


@pytest.mark.parametrize("multi_label", [False, True])
def test_no_fold_of_a_probe_sees_words_of_what_it_judges(toy_encoder, monkeypatch, multi_label):
    """Prevents a leak: regularization chosen on texts whose copies, or mixtures with them, have trained."""
    texts, labels = lonely_texts(20), [("a", "b")[i % 2] for i in range(20)]
    made, splits = [], []
    find_folds, make_copies = logistic._folds, linear_probe.augmented_examples
    monkeypatch.setattr(
        linear_probe, "augmented_examples", lambda *a, **o: made.append(make_copies(*a, **o)) or made[-1]
    )
    monkeypatch.setattr(logistic, "_folds", lambda *a: splits.append(find_folds(*a)) or splits[-1])
    probe = LinearProbeClassifier(encoder=toy_encoder, augment=["tokens", "mix"])
    probe.fit(texts, [(label,) for label in labels] if multi_label else labels)
    [(all_texts, _, _)] = made
    assert len(all_texts) > 100
    assert len(splits) == 2  # to choose by, and to promise by
    assert all(sorted(row for _, test in folds for row in test) == list(range(20)) for folds in splits)
    for train, test in itertools.chain.from_iterable(splits):
        judged, known = [all_texts[row] for row in test], [all_texts[row] for row in train]
        assert not words_of(judged) & words_of(known)
        assert len(known) > 2 * len(texts)  # copies of the others do train


@pytest.mark.parametrize("multi_label", [False, True])
def test_no_fold_of_setfit_sees_words_of_what_it_judges(tiny_encoder, monkeypatch, multi_label):
    """Prevents a leak: heads, thresholds, calibration and scope judged on texts whose copies have trained."""
    texts, labels = lonely_texts(24), [("a", "b")[i % 2] for i in range(24)]
    trained, judged = [], []
    train_body, judge = trainings.train_body, trainings.judge

    def spy_training(base, known, *rest, **options):
        trained.append(known)
        return train_body(base, known, *rest, **options)

    def spy_judge(base, body, train, held_out, *rest, **options):
        judged.append((train, held_out))
        return judge(base, body, train, held_out, *rest, **options)

    monkeypatch.setattr(trainings, "train_body", spy_training)
    monkeypatch.setattr(trainings, "judge", spy_judge)
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=1, augment=["tokens", "mix"], templates=None)
    classifier.fit(texts, [(label,) for label in labels] if multi_label else labels)
    assert sorted(text for _, held_out in judged for text in held_out) == sorted(texts)
    for (train, held_out), known in zip(judged, trained, strict=False):
        assert known == train.texts
        assert not words_of(known) & words_of(held_out)
        assert train.n_copies > 12
    assert classifier.report_["copies"] > 96
    assert classifier.report_["name_sentences"] == 0
    assert len(classifier.memory_.X) == 24
    assert len(classifier.scope_.X) == 24
    assert "24 held-out labels" in classifier.report_["judged_by"]


def test_validation_texts_are_not_copied(tiny_encoder, single, monkeypatch):
    """Prevents copies of validation texts from training, and copies from being scored among them."""
    judged = []
    judge = trainings.judge
    monkeypatch.setattr(trainings, "judge", lambda *a, **o: judged.append(a) or judge(*a, **o))
    validation = (lonely_texts(6), single.labels[:6])
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=2, augment="tokens").fit(
        single.texts, single.labels, validation=validation
    )
    [(_, _, train, texts, _)] = judged
    assert texts == validation[0]
    assert not words_of(train.texts) & words_of(texts)
    assert train.n_copies == classifier.report_["copies"] > 30
    assert classifier.report_["judged_by"] == "6 validation texts"


def test_copies_reach_what_is_learnt(tiny_encoder, single):
    """Prevents an ``augment`` that is accepted and forgotten, and a seed that does not reach it."""

    def learnt(make, **options):
        return make(**options).fit(single.texts, single.labels).predict_proba(single.test_texts)

    for make, options in (
        (NaiveBayesClassifier, {}),
        (LinearProbeClassifier, {"encoder": tiny_encoder}),
        (SetFitClassifier, {"encoder": tiny_encoder, "steps": 0, "folds": 0, "templates": None}),
    ):
        plain, one, two = (
            learnt(make, **options, augment=augment, random_state=seed)
            for augment, seed in ((None, 0), ("tokens", 0), ("tokens", 1))
        )
        assert (plain != one).any()
        assert (one != two).any()
        if make is NaiveBayesClassifier:
            np.testing.assert_array_equal(plain, learnt(make, random_state=1))


def test_arguments_are_carried_and_saved(tiny_encoder, single, tmp_path):
    """Prevents ``clone`` from losing an augmentation, and a folder that holds none or says another."""
    for augment in ("swap", ["swap", "mix"], TokenAugmentation(n_copies=1), Unnamed()):
        classifier = clone(NaiveBayesClassifier(augment=augment))
        assert described(classifier.augment) == described(augment)
        classifier.fit(single.texts, single.labels).save(tmp_path / "m")
        params = json.loads((tmp_path / "m" / "fewshot.json").read_text("utf-8"))["params"]
        assert params["augment"] == described(augment)
        again = load_classifier(tmp_path / "m")
        np.testing.assert_array_equal(again.predict_proba(single.texts), classifier.predict_proba(single.texts))
        if isinstance(augment, (str, list)):
            again.fit(single.texts, single.labels)
        else:
            with pytest.raises(InputError, match="give it again"):
                again.fit(single.texts, single.labels)
            again.set_params(augment=augment).fit(single.texts, single.labels)
        np.testing.assert_array_equal(again.predict_proba(single.texts), classifier.predict_proba(single.texts))
    assert described(Unnamed()) == "Unnamed()"


def test_a_training_with_other_copies_is_not_gone_on_with(tiny_encoder, single, tmp_path):
    """Prevents parts of a training on other copies, or on none, from being taken for this one's."""

    def fit(augment, folder, resume=False):
        classifier = SetFitClassifier(encoder=tiny_encoder, steps=1, templates=None, augment=augment)
        classifier.fit(single.texts, single.labels, checkpoints=tmp_path / folder, resume=resume)
        return classifier.predict_proba(single.test_texts)

    whole = fit(Unnamed(), "a")
    np.testing.assert_array_equal(fit(Unnamed(), "a", resume=True), whole)  # another object, the same copies
    for other in (None, "swap", TokenAugmentation(n_copies=1)):
        with pytest.raises(InputError, match="had other texts, labels or settings"):
            fit(other, "a", resume=True)


def test_every_name_is_listed_once():
    """Prevents help that names what there is not."""
    assert len(set(NAMES)) == len(NAMES)
    for name in NAMES:
        assert len(find_augmentations(name.replace("MODEL", "m"))) == 1
