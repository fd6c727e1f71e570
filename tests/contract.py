"""The contract of every classifier: one table of methods, one of promises, and each promise asked of each method.

``tests/classifiers/test_contract.py`` runs the product of the two. A new classifier joins by one line in
:data:`METHODS`; a new promise is a function here.
"""

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from fewshot.classifiers import folder as folder_module
from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.finetune import FineTunedClassifier
from fewshot.classifiers.knn import KNNClassifier
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.self_training import SelfTrainingClassifier
from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.classifiers.setfit_reference import SetFitReferenceClassifier
from fewshot.classifiers.uda import UDAClassifier
from fewshot.classifiers.zero_shot_embedding import ZeroShotEmbeddingClassifier
from fewshot.classifiers.zero_shot_nli import ZeroShotNLIClassifier
from fewshot.core.artifacts import read_json
from fewshot.core.errors import InputError

METHODS: dict[str, Callable[[Any], TextClassifier]] = {
    "naive-bayes": lambda models: NaiveBayesClassifier(alpha=0.5),
    "naive-bayes with copies": lambda models: NaiveBayesClassifier(augment="tokens"),
    "knn": lambda models: KNNClassifier(encoder=models.sentence),
    "knn of two": lambda models: KNNClassifier(encoder=models.static, k=2),
    "knn by distance": lambda models: KNNClassifier(
        encoder=models.sentence, metric="l2", weights="uniform", keep_texts=True
    ),
    "knn in cells": lambda models: KNNClassifier(encoder=models.static, max_k=5, index="approximate"),
    "linear-probe": lambda models: LinearProbeClassifier(encoder=models.sentence, random_state=3),
    "linear-probe on a token table": lambda models: LinearProbeClassifier(encoder=models.static),
    "self-training": lambda models: SelfTrainingClassifier(
        encoder=models.sentence,
        rounds=1,
        passes=2,
        per_round=6,
        steps=8,
        folds=0,
        batch_size=8,
        learning_rate=1e-3,
        random_state=3,
    ),
    "prompt": lambda models: PromptClassifier(
        models.masked, templates="{text} {mask}", steps=60, batch_size=8, learning_rate=5e-3, random_state=3
    ),
    "linear-probe with copies": lambda models: LinearProbeClassifier(
        encoder=models.sentence, augment="tokens", random_state=3
    ),
    "setfit": lambda models: SetFitClassifier(encoder=models.sentence, steps=2, batch_size=8, random_state=3),
    "setfit with copies": lambda models: SetFitClassifier(
        encoder=models.sentence, steps=2, batch_size=8, augment="tokens", random_state=3
    ),
    "setfit-reference": lambda models: SetFitReferenceClassifier(encoder=models.sentence, max_steps=2, random_state=3),
    "fine-tune": lambda models: FineTunedClassifier(
        encoder=models.sentence, steps=8, batch_size=8, learning_rate=1e-3, random_state=3
    ),
    "fine-tune by [CLS]": lambda models: FineTunedClassifier(
        encoder=models.sentence, pooling="cls", steps=60, batch_size=8, learning_rate=5e-3, random_state=3, folds=0
    ),
    "uda": lambda models: UDAClassifier(
        encoder=models.sentence, steps=8, batch_size=8, learning_rate=1e-3, confidence=0.5, folds=0, random_state=3
    ),
    "zero-shot-embedding": lambda models: ZeroShotEmbeddingClassifier(encoder=models.topical),
    "zero-shot-nli": lambda models: ZeroShotNLIClassifier(models.nli, precision="float32"),
}
"""Every classifier that learns by ``fit``, made from tiny models (``models.sentence``, ``models.static``, the folder
``models.masked``). Those that learn by name have models that know the names (``models.topical``, ``models.nli``)."""

LEARN_FROM_POOLS = (UDAClassifier, SelfTrainingClassifier)
"""Those of them whose ``fit`` wants unlabelled texts, too; where a promise gives none they have :data:`POOL`."""

POOL = [f"{opening} {text}" for opening in ("my", "the") for text in ("card refund", "late parcel", "account code")]

READY: dict[str, Callable[[Any, Any], TextClassifier]] = {
    "sequence": lambda models, toy: models.sequence(toy),
    "exported": lambda models, toy: models.exported(
        LinearProbeClassifier(encoder=models.sentence, random_state=3).fit(toy.texts, toy.labels)
    ),
    "exported-sequence": lambda models, toy: models.exported(models.sequence(toy)),
}
"""Every classifier whose ``fit`` refuses, made from tiny models and trained otherwise on a toy task. They keep all
promises that need no ``fit``: those of :data:`LOOKING`."""

SINGLE, MULTI = ("single", "single_int"), ("multi", "multi_int")
PICKLES = {".pkl", ".pickle", ".bin", ".pt", ".pth", ".joblib", ".npy", ".npz"}
LONG = "refund my parcel password " * 2500
ODD_TEXTS = ["", " \n\t", LONG, "🙂 déjà vu 你好", "x", "x", "refund the invoice"]


@dataclasses.dataclass(frozen=True)
class Case:
    """One method on one task."""

    make: Callable[[], TextClassifier]
    """Makes a fresh, unfitted classifier."""
    fitted: TextClassifier
    """The same, fitted on ``toy`` and shared by all promises: never altered."""
    toy: Any
    tmp_path: Path

    @property
    def multi_label(self) -> bool:
        return self.toy.multi_label


PROMISES: dict[str, tuple[tuple[str, ...], Callable[[Case], None]]] = {}
"""Name of a promise, the tasks that it is asked on, and the function that asks."""

LOOKING: set[str] = set()
"""Names of the promises that only look at a fitted classifier, and fit none."""


def promise(*tasks: str, fits: bool = True) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Enter a function into :data:`PROMISES`, and into :data:`LOOKING` if it ``fits`` nothing."""

    def enter(check):
        PROMISES[check.__name__] = (tasks, check)
        if not fits:
            LOOKING.add(check.__name__)
        return check

    return enter


def assert_sound(case: Case, classifier: TextClassifier, texts: list[str]) -> None:
    """Check that probabilities are probabilities, and that labels follow from them."""
    probabilities = classifier.predict_proba(texts)
    assert probabilities.shape == (len(texts), len(classifier.classes_))
    assert np.isfinite(probabilities).all()
    assert probabilities.min(initial=0.0) >= 0.0
    assert probabilities.max(initial=0.0) <= 1.0 + 1e-9
    predicted = classifier.predict(texts)
    assert len(predicted) == len(texts)
    if case.multi_label:
        applies = applying(classifier, probabilities)
        assert [set(row) for row in predicted] == [set(classifier.classes_[row].tolist()) for row in applies]
    else:
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)
        assert list(predicted) == list(classifier.classes_[probabilities.argmax(axis=1)])


def applying(classifier: TextClassifier, probabilities: np.ndarray) -> np.ndarray:
    """Return which labels apply: those from the threshold on, or the k most probable where the classifier says so."""
    k = getattr(getattr(classifier, "rule_", None), "top_k", None)
    if k is None:
        return probabilities >= classifier._threshold
    places = np.argsort(np.argsort(-probabilities, axis=1, kind="stable"), axis=1)
    return places < k


@promise("single", "multi")
def fit_returns_self(case):
    """Prevents ``classifier = Classifier().fit(...)`` from being ``None``."""
    classifier = case.make()
    assert classifier.fit(case.toy.texts, case.toy.labels) is classifier


@promise("single")
def init_only_stores(case):
    """Prevents arguments that a constructor replaces, loads or checks, which breaks ``clone`` and ``set_params``."""
    original = case.make()
    params = original.get_params(deep=False)
    assert all(getattr(original, name) is value for name, value in params.items())
    assert not [name for name in vars(original) if name.endswith("_")]
    assert case.make().set_params(**params).get_params(deep=False) == params
    copied = clone(case.fitted)
    assert type(copied) is type(case.fitted)
    assert not hasattr(copied, "classes_")
    simple = {name: value for name, value in copied.get_params().items() if name != "encoder"}
    assert simple == {name: value for name, value in case.fitted.get_params().items() if name != "encoder"}
    copied.fit(case.toy.texts, case.toy.labels)
    np.testing.assert_allclose(
        copied.predict_proba(case.toy.test_texts), case.fitted.predict_proba(case.toy.test_texts)
    )


@promise(*SINGLE, *MULTI, fits=False)
def labels_come_out_as_they_went_in(case):
    """Prevents class numbers or ``np.str_`` arrays of one letter where the user gave names."""
    predicted = case.fitted.predict(case.toy.test_texts)
    flat = [label for entry in case.toy.labels for label in entry] if case.multi_label else case.toy.labels
    kind = type(flat[0])
    assert case.fitted.classes_.tolist() == sorted(set(flat))
    if case.multi_label:
        assert isinstance(predicted, list)
        assert all(type(entry) is tuple for entry in predicted)
        answers = [label for entry in predicted for label in entry]
    else:
        answers = predicted.tolist()
    assert answers
    assert all(type(label) is kind and label in flat for label in answers)


@promise(*SINGLE, *MULTI, fits=False)
def probabilities_are_probabilities(case):
    """Prevents rows that do not sum to 1, columns in another order than ``classes_``, NaN."""
    assert_sound(case, case.fitted, case.toy.test_texts)


@promise("single", "multi", fits=False)
def something_is_learnt(case):
    """Prevents columns that are right in shape and belong to other classes."""
    assert case.fitted.score(case.toy.texts, case.toy.labels) >= 0.6


@promise("single", "multi")
def refit_starts_afresh(case):
    """Prevents classes, vectors or weights of the first data from living on in the second fit."""
    texts, labels = case.toy.test_texts[:8], case.toy.test_labels[:8]
    twice = case.make().fit(case.toy.texts, case.toy.labels).fit(texts, labels)
    once = case.make().fit(texts, labels)
    assert twice.classes_.tolist() == once.classes_.tolist()
    np.testing.assert_array_equal(twice.predict_proba(case.toy.texts), once.predict_proba(case.toy.texts))


@promise("single", "multi")
def same_seed_same_answers(case):
    """Prevents results that nobody can repeat, and a global random state that the user did not ask to change."""
    import torch

    np.random.seed(11)  # noqa: NPY002 - the global state is what is tested
    torch.manual_seed(11)
    before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state().clone()  # noqa: NPY002
    again = case.make().fit(case.toy.texts, case.toy.labels)
    probabilities = again.predict_proba(case.toy.test_texts)
    np.testing.assert_array_equal(probabilities, case.fitted.predict_proba(case.toy.test_texts))
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(torch_before, torch.get_rng_state())


@promise("single", "multi")
def inputs_are_left_alone(case):
    """Prevents a fit that sorts, cleans or encodes the caller's own lists, or trains the caller's own encoder."""
    texts, labels = list(case.toy.texts), copy.deepcopy(case.toy.labels)
    classifier = case.make()
    encoder = classifier.get_params(deep=False).get("encoder")
    vectors = encoder.encode(texts) if encoder else None
    classifier.fit(texts, labels)
    classifier.predict(texts)
    assert texts == case.toy.texts
    assert labels == case.toy.labels
    if encoder:
        np.testing.assert_array_equal(vectors, encoder.encode(texts))


@promise("single", "multi")
def sequences_of_any_kind(case):
    """Prevents a fit that takes lists only, where people hold tuples and arrays."""
    labels = np.array(case.toy.labels) if not case.multi_label else [list(entry) for entry in case.toy.labels]
    classifier = case.make().fit(np.array(case.toy.texts), labels)
    expected = case.fitted.predict_proba(case.toy.test_texts)
    np.testing.assert_array_equal(classifier.predict_proba(tuple(case.toy.test_texts)), expected)


@promise("single", "multi", fits=False)
def shuffled_texts_shuffled_answers(case):
    """Prevents answers that depend on a text's place in the batch, or on its neighbours there."""
    texts = [*case.toy.test_texts, *ODD_TEXTS, *case.toy.texts]
    order = np.random.default_rng(1).permutation(len(texts))
    shuffled = case.fitted.predict_proba([texts[i] for i in order])
    np.testing.assert_allclose(shuffled, case.fitted.predict_proba(texts)[order], atol=1e-5)


@promise(*SINGLE)
def one_example_a_class(case):
    """Prevents cross-validation, neighbours or pairs from asking for what one label a class has not."""
    names = case.fitted.classes_.tolist()
    classifier = case.make().fit(["refund the invoice", "late courier", "password reset"], names)
    assert_sound(case, classifier, case.toy.test_texts)


@promise("multi")
def one_row_a_label(case):
    """Prevents folds without any example of a label from breaking a multi-label fit."""
    classifier = case.make().fit(["refund the invoice", "late courier", "hello"], [("a",), ("b",), ()])
    assert_sound(case, classifier, case.toy.test_texts)


@promise(*SINGLE)
def two_classes(case):
    """Prevents a single column of probabilities, which is what some estimators give for two classes."""
    keep = [i for i, label in enumerate(case.toy.labels) if label != case.fitted.classes_[0]]
    classifier = case.make().fit([case.toy.texts[i] for i in keep], [case.toy.labels[i] for i in keep])
    assert len(classifier.classes_) == 2
    assert_sound(case, classifier, case.toy.test_texts)


@promise(*SINGLE, *MULTI, fits=False)
def unseen_label_is_wrong(case):
    """Prevents a crash in ``score`` on a label that the training slice lacked; nobody can predict it."""
    unseen = 99 if isinstance(case.fitted.classes_.tolist()[0], int) else "unseen"
    texts = case.toy.test_texts
    labels = [(unseen,) if case.multi_label else unseen] * len(texts)
    assert case.fitted.score(texts, labels) == 0.0
    assert case.fitted.score(texts, [*labels[1:], case.fitted.predict(texts[-1:])[0]]) == pytest.approx(1 / len(texts))


@promise("single", "multi", fits=False)
def odd_texts_are_answered(case):
    """Prevents a crash, NaN or a warning at an empty text, an emoji or 10,000 words."""
    assert_sound(case, case.fitted, ODD_TEXTS)


@promise("single", "multi")
def odd_texts_are_learnt(case):
    """Prevents a crash, NaN or a warning when such texts are in the training data."""
    names = case.fitted.classes_.tolist()
    labels = [names[i % 2] for i in range(len(ODD_TEXTS))]
    classifier = case.make().fit(ODD_TEXTS, [(name,) for name in labels] if case.multi_label else labels)
    assert_sound(case, classifier, [*ODD_TEXTS, *case.toy.test_texts])


@promise("multi", fits=False)
def at_least_one_label_on_demand(case):
    """Prevents an argument that a method takes and forgets, and one that takes labels away or adds to them."""
    plain = case.fitted.predict(case.toy.test_texts + ODD_TEXTS)
    asked = case.fitted.predict(case.toy.test_texts + ODD_TEXTS, at_least_one=True)
    best = case.fitted.classes_[case.fitted.predict_proba(case.toy.test_texts + ODD_TEXTS).argmax(axis=1)]
    assert asked == [entry or (label,) for entry, label in zip(plain, best.tolist(), strict=True)]
    assert case.fitted.predict([], at_least_one=True) == []


@promise("single", "multi")
def identical_texts_are_learnt(case):
    """Prevents division by a spread of zero where all training texts are one text."""
    names = case.fitted.classes_.tolist()
    labels = [names[i % 2] for i in range(20)]
    classifier = case.make().fit(["same text"] * 20, [(name,) for name in labels] if case.multi_label else labels)
    assert_sound(case, classifier, ["same text", "another", ""])


@promise("single", "multi")
def empty_texts_only(case):
    """Prevents an empty vocabulary or vectors of zeros from ending a comparison."""
    names = case.fitted.classes_.tolist()[:2]
    classifier = case.make().fit(["", ""], [(name,) for name in names] if case.multi_label else names)
    assert_sound(case, classifier, ["", "refund"])


@promise(*SINGLE, *MULTI, fits=False)
def batch_of_one_and_none(case):
    """Prevents a squeezed axis for one text, and a crash for none."""
    assert_sound(case, case.fitted, case.toy.test_texts[:1])
    together = case.fitted.predict_proba(case.toy.test_texts)
    np.testing.assert_allclose(case.fitted.predict_proba(case.toy.test_texts[:1]), together[:1], atol=1e-5)
    assert case.fitted.predict_proba([]).shape == (0, 3)
    assert len(case.fitted.predict([])) == 0
    with pytest.raises(InputError, match="texts must not be empty"):
        case.fitted.score([], [])


@promise("multi")
def rows_without_labels_are_learnt(case):
    """Prevents texts to which nothing applies from being dropped or refused, and ``predict`` from forcing a label."""
    texts = ["hello again", "thank you", "please", "refund the card", "late parcel", "card refund"]
    classifier = case.make().fit(texts, [(), (), (), ("a",), ("b",), ("a",)])
    assert classifier.classes_.tolist() == ["a", "b"]
    assert_sound(case, classifier, [*texts, *case.toy.test_texts])


@promise("multi")
def constant_labels_are_constant(case):
    """Prevents a crash where a label applies to every training text, as scikit-multilearn has it."""
    labels = [(*entry, "always") for entry in case.toy.labels]
    classifier = case.make().fit(case.toy.texts, labels)
    assert_sound(case, classifier, case.toy.test_texts)
    column = classifier.predict_proba(case.toy.test_texts)[:, classifier.classes_.tolist().index("always")]
    np.testing.assert_allclose(column, 1.0, atol=1e-6)
    assert all("always" in entry for entry in classifier.predict(case.toy.test_texts))


@promise("multi")
def one_label_in_all(case):
    """Prevents an argmax over one column: with one label in all, each text has it or has not."""
    classifier = case.make().fit(["card refund", "late parcel", "invoice refund", "hello"], [("a",), (), ("a",), ()])
    assert classifier.predict_proba(["card", "x"]).shape == (2, 1)
    assert_sound(case, classifier, case.toy.test_texts)


@promise("single", "multi")
def bad_training_data_is_refused(case):
    """Prevents training on nonsense: each mistake is named at the door, in one line."""
    texts, labels = case.toy.texts, case.toy.labels
    mistakes = {
        "must have the same length": (texts, labels[:-1]),
        "got one string": ("one text", labels),
        r"texts\[0\] must be a string": ([None, *texts[1:]], labels),
        "texts must not be empty": ([], []),
        "is missing": (texts, [None, *labels[1:]]),
        "mix": (texts, [3 if not case.multi_label else (3,), *labels[1:]]),
        "must be a string or an integer": (texts, [(1.5,) if case.multi_label else 1.5, *labels[1:]]),
    }
    if case.multi_label:
        mistakes["no class at all"] = (texts, [()] * len(texts))
        mistakes["mix single labels and lists"] = (texts, ["a", *labels[1:]])
    else:
        mistakes["one class only"] = (texts, ["a"] * len(texts))
    for message, (X, y) in mistakes.items():
        with pytest.raises(InputError, match=message) as raised:
            case.make().fit(X, y)
        assert "\n" not in str(raised.value)


BAD_PARAMETERS: dict[str, tuple[str, Any]] = {
    "fine-tune": ("epochs", 0),
    "knn": ("metric", "miles"),
    "linear-probe": ("thresholds", "none"),
    "naive-bayes": ("alpha", np.inf),
    "prompt": ("classes", "ab"),
    "self-training": ("rounds", 0),
    "setfit": ("head", "none"),
    "setfit-reference": ("batch_size", 0),
    "uda": ("confidence", 2.0),
    "zero-shot-embedding": ("temperature", 0.0),
    "zero-shot-nli": ("aggregate", "none"),
}
"""Of each kind a parameter, and what it cannot be."""


@promise("single")
def bad_parameters_are_refused_before_anything_is_opened(case):
    """Prevents a minute of downloading for the word that a number is out of its range."""
    name, value = BAD_PARAMETERS[case.fitted.kind]
    classifier = case.make()
    classifier.check_params()
    classifier.set_params(**{name: value})
    for model in {"encoder", "model"} & set(classifier.get_params(deep=False)):
        classifier.set_params(**{model: "no/such-model"})
    for attempt in (classifier.check_params, lambda: classifier.fit(case.toy.texts, case.toy.labels)):
        with pytest.raises(InputError, match=name):
            attempt()


@promise("single", fits=False)
def bad_texts_are_refused(case):
    """Prevents a string from being read as a list of letters."""
    for method in (case.fitted.predict, case.fitted.predict_proba):
        with pytest.raises(InputError, match="got one string"):
            method("one text")
        with pytest.raises(InputError, match=r"texts\[1\] must be a string"):
            method(["a", 3])
    with pytest.raises(InputError, match="same length"):
        case.fitted.score(["a"], ["x", "y"])


@promise("single", "multi")
def validation_is_checked_and_used(case):
    """Prevents validation data with unknown labels or no rows from being half used."""
    toy = case.toy
    classifier = case.make().fit(toy.texts, toy.labels, validation=(toy.test_texts, toy.test_labels))
    assert_sound(case, classifier, toy.test_texts)
    unknown = [("unknown",)] if case.multi_label else ["unknown"]
    for message, validation in {"must not be empty": ([], []), "not one of the 3 classes": (["a"], unknown)}.items():
        with pytest.raises(InputError, match=message):
            case.make().fit(toy.texts, toy.labels, validation=validation)


@promise("single")
def unfitted_says_so(case):
    """Prevents an AttributeError about a private name where ``fit`` was forgotten."""
    classifier = case.make()
    uses = (
        lambda: classifier.predict(["a"]),
        lambda: classifier.predict_proba(["a"]),
        lambda: classifier.score(["a"], ["b"]),
        lambda: classifier.save(case.tmp_path / "model"),
    )
    for use in uses:
        with pytest.raises(NotFittedError, match=r"call fit\(texts, labels\) first"):
            use()
    assert not list(case.tmp_path.iterdir())


@promise(*SINGLE, *MULTI, fits=False)
def saved_and_loaded_is_the_same(case):
    """Prevents a model that answers otherwise after it was saved: in numbers, names, types or settings."""
    folder = case.tmp_path / "model"
    case.fitted.save(folder, metrics={"accuracy": 0.5}, provenance={"source": "toy"})
    loaded = load_classifier(folder, device="cpu")
    assert type(loaded) is type(case.fitted)
    assert loaded.classes_.dtype == case.fitted.classes_.dtype
    assert loaded.label_space_ == case.fitted.label_space_
    texts = [*case.toy.test_texts, *ODD_TEXTS]
    np.testing.assert_array_equal(loaded.predict_proba(texts), case.fitted.predict_proba(texts))
    assert list(loaded.predict(texts)) == list(case.fitted.predict(texts))
    theirs, ours = (dict(one.get_params(deep=False)) for one in (case.fitted, loaded))
    if "encoder" in theirs:
        name = ours.pop("encoder")
        assert name == theirs.pop("encoder").name == getattr(loaded, "encoder_", case.fitted.encoder).name
    assert ours == theirs
    again = case.tmp_path / "again"
    loaded.save(again)
    np.testing.assert_array_equal(
        load_classifier(again, device="cpu").predict_proba(texts), loaded.predict_proba(texts)
    )


@promise("single", "multi", fits=False)
def folder_holds_no_pickle_and_no_text(case):
    """Prevents code execution on load, and training texts (often private) in a folder that is passed on.

    Who asks for them to be kept finds them in the head's file, and nowhere else.
    """
    folder = case.tmp_path / "model"
    case.fitted.save(folder, metrics={"accuracy": 0.5})
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert not [file.name for file in files if file.suffix in PICKLES]
    for file in files:
        content = file.read_bytes()
        found = [text for text in case.toy.texts if " " in text and text.encode() in content]
        kept = case.fitted.get_params(deep=False).get("keep_texts", False) and file.name == folder_module.HEAD
        assert len(found) == (len(case.toy.texts) if kept else 0), file.name
    card = (folder / "README.md").read_text("utf-8")
    assert "accuracy: 0.5" in card
    assert read_json(folder / "fewshot.json")["metrics"] == {"accuracy": 0.5}


@promise("single", fits=False)
def saving_replaces_models_only(case):
    """Prevents a folder with files of two models, and ``save("~")`` from replacing a home folder."""
    folder = case.tmp_path / "model"
    NaiveBayesClassifier().fit(["a", "b"], ["x", "y"]).save(folder)
    (folder / "leftover.txt").write_text("of the old model")
    case.fitted.save(folder)
    assert load_classifier(folder, device="cpu").classes_.tolist() == case.fitted.classes_.tolist()
    assert not (folder / "leftover.txt").exists()
    foreign = case.tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"holds files but no fewshot\.json"):
        case.fitted.save(foreign)
    assert [file.name for file in foreign.iterdir()] == ["thesis.txt"]
    assert sorted(item.name for item in case.tmp_path.iterdir()) == ["model", "thesis"]


@promise("single", fits=False)
def kill_while_saving_leaves_the_old_model(case):
    """Prevents Ctrl-C or a full disk from leaving half a model in place of a whole one."""
    folder = case.tmp_path / "model"
    case.fitted.save(folder)
    before = {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    for step in ("save_file", "write_json", "write_text"):
        for failure in (KeyboardInterrupt(), OSError("disk full")):

            def fail(*args, failure=failure, **kwargs):
                raise failure

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(folder_module, step, fail)
                with pytest.raises(type(failure)):
                    case.fitted.save(folder)
            assert {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    assert [item.name for item in case.tmp_path.iterdir()] == ["model"]
