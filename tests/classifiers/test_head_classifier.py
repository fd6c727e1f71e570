"""Classifiers with a head: how sure they are, when they stay silent, and that all of it survives saving."""

import json
import shutil

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.core.errors import InputError
from tests.conftest import TOPICS

FAR = ["zzz qqq 99 %%", "x # x # x"]


def many(single):
    """Return 120 texts of three classes: enough to vouch for a precision."""
    texts = [f"{a} {b} {c}" for words in TOPICS.values() for a in words for b in words[:4] for c in ("", "today")]
    return texts, [name for name in TOPICS for _ in range(len(texts) // 3)]


@pytest.fixture(scope="module")
def sure(tiny_encoder, single):
    """A classifier with enough labels to be calibrated."""
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=2, learning_rate=1e-3, templates=None)
    return classifier.fit(*many(single))


@pytest.fixture(scope="module")
def several(tiny_encoder, multi):
    """A multi-label classifier with enough labels to be calibrated."""
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=2, learning_rate=1e-3, templates=None)
    return classifier.fit(multi.texts, multi.labels)


@pytest.fixture(scope="module")
def unsure(tiny_encoder):
    """A classifier with one label a class."""
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=0, templates=None)
    return classifier.fit(["refund invoice", "parcel late", "password reset"], list("abc"))


def test_precision_is_known_where_labels_were_held_out(sure, several):
    """Prevents a curve over texts that were learnt from: it must count each held-out text once, as it was answered."""
    for classifier, n in ((sure, 120), (several, 27)):
        curve = classifier.precision_curve_
        assert curve.n == n
        assert curve.kept[-1] == n
    assert sure.precision_curve_.correct[-1] / 120 == pytest.approx(sure.report_["held_out_score"])


def test_few_labels_promise_nothing(unsure):
    """Prevents a promise of 95 % on the word of three texts."""
    assert unsure.precision_curve_ is None
    for ask in (unsure.abstention_threshold, lambda p: unsure.predict_selective(["x"], precision=p)):
        with pytest.raises(InputError, match=r"train it on more labels a class \(four, where folds=2\)"):
            ask(0.9)


@pytest.mark.parametrize("n", [5, 15])
def test_validation_texts_promise_as_well(tiny_encoder, single, n):
    """Prevents held-out texts that were given from being unused for calibration, be they few."""
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=0, folds=0, templates=None)
    classifier.fit(single.texts, single.labels, validation=(single.test_texts[:n], single.test_labels[:n]))
    assert classifier.precision_curve_.n == n
    assert classifier.abstention_threshold(0.99) > 1


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("kind", ["single", "multi"])
def test_a_linear_probe_abstains(tiny_encoder, request, tmp_path, kind, validated):
    """Prevents a promise in messages that no training keeps, and a precision told by texts that were learnt from."""
    toy = request.getfixturevalue(kind)
    options = {"validation": (toy.test_texts, toy.test_labels)} if validated else {}
    probe = LinearProbeClassifier(encoder=tiny_encoder).fit(toy.texts, toy.labels, **options)
    curve = probe.precision_curve_
    assert curve.n == len(toy.test_texts if validated else toy.texts)
    if validated:
        given = probe.label_space_.encode(probe.predict(toy.test_texts))
        right = given == probe.label_space_.encode(toy.test_labels)
        assert curve.correct[-1] == (right.all(axis=1) if right.ndim == 2 else right).sum()
    probe.save(tmp_path / "probe")
    assert load_classifier(tmp_path / "probe").precision_curve_ == curve
    assert LinearProbeClassifier(encoder=tiny_encoder).fit(["a", "b"], ["x", "y"]).precision_curve_ is None


@pytest.mark.parametrize("precision", [0, -0.1, 1.01, float("nan")])
def test_a_precision_out_of_range_is_refused(sure, precision):
    """Prevents a threshold for what nobody can want."""
    with pytest.raises(InputError, match="precision must be above 0 and at most 1"):
        sure.abstention_threshold(precision)


def test_more_precision_means_fewer_answers(sure, single):
    """Prevents a threshold that falls while the wish rises."""
    thresholds = [sure.abstention_threshold(precision) for precision in (0.5, 0.8, 0.9, 0.95, 1.0)]
    assert thresholds == sorted(thresholds)
    assert thresholds[-1] > 1  # certainty is not to be had from 120 texts


def test_answers_below_the_threshold_are_not_given(sure, single):
    """Prevents a label that was not sure enough, or another label than ``predict`` gives."""
    threshold = sure.abstention_threshold(0.9)
    texts = [*single.test_texts, *FAR, ""]
    confidence = sure.confidence_of(sure.predict_proba(texts))
    expected = [
        label if c >= threshold else None for label, c in zip(sure.predict(texts).tolist(), confidence, strict=True)
    ]
    answers = sure.predict_selective(texts, precision=0.9)
    assert answers == expected
    assert all(answer is None or type(answer) is str for answer in answers)
    assert sure.predict_selective(texts) == sure.predict(texts).tolist()
    assert sure.predict_selective(texts, precision=1.0) == [None] * len(texts)


def test_what_is_far_off_is_out_of_scope(sure, single):
    """Prevents a sure answer about a text of another world."""
    texts, _ = many(single)
    assert sure.in_scope(texts).mean() > 0.9
    assert sure.scope_scores(FAR).min() > np.median(sure.scope_scores(texts))
    assert not sure.in_scope(FAR).any()
    answers = sure.predict_selective([*texts[:3], *FAR], in_scope_only=True)
    assert answers == [*sure.predict(texts[:3]).tolist(), None, None]
    np.testing.assert_array_equal(sure.in_scope(FAR), sure.scope_scores(FAR) <= sure.scope_.threshold)


def test_the_scope_is_that_of_held_out_texts(sure, tiny_encoder, single):
    """Prevents a threshold from texts that training drew together: new ones would all lie outside."""
    texts, labels = many(single)
    strict = SetFitClassifier(encoder=tiny_encoder, steps=2, learning_rate=1e-3, templates=None, folds=0)
    strict.fit(texts, labels)
    assert sure.scope_.threshold > strict.scope_.threshold


def test_nothing_asked_nothing_answered(sure, several):
    """Prevents a crash at an empty list."""
    for classifier in (sure, several):
        assert classifier.predict_selective([], precision=0.9, in_scope_only=True) == []
        assert classifier.in_scope([]).shape == (0,)
        assert classifier.scope_scores([]).shape == (0,)


def test_bad_texts_are_refused_everywhere(sure):
    """Prevents one string from being read as a list of letters."""
    for ask in (sure.predict_selective, sure.scope_scores, sure.in_scope):
        with pytest.raises(InputError, match="got one string"):
            ask("one text")


def test_unfitted_says_so():
    """Prevents an AttributeError where ``fit`` was forgotten."""
    classifier = SetFitClassifier()
    for ask in (
        lambda: classifier.abstention_threshold(0.9),
        lambda: classifier.predict_selective(["a"]),
        lambda: classifier.in_scope(["a"]),
        lambda: classifier.update(["a"], ["b"]),
        classifier.to_setfit,
    ):
        with pytest.raises(NotFittedError):
            ask()


def test_each_label_has_its_threshold(several, multi):
    """Prevents one threshold for frequent and rare labels, and labels that do not follow from it."""
    thresholds = several.head_.threshold
    assert thresholds.shape == (3,)
    assert len(set(thresholds.tolist())) > 1
    probabilities = several.predict_proba(multi.test_texts)
    applies = probabilities >= thresholds
    assert [set(row) for row in several.predict(multi.test_texts)] == [set(several.classes_[row]) for row in applies]
    least = np.where(applies, probabilities, 1 - probabilities).min(axis=1)
    np.testing.assert_array_equal(several.confidence_of(probabilities), least)
    answers = several.predict_selective(multi.test_texts, precision=0.5)
    assert all(answer is None or isinstance(answer, tuple) for answer in answers)


@pytest.mark.parametrize("name", ["sure", "several", "unsure"])
def test_saving_keeps_all_that_was_learnt(name, request, single, tmp_path):
    """Prevents a loaded classifier that is less careful than the one that was saved."""
    classifier = request.getfixturevalue(name)
    classifier.save(tmp_path / "m")
    again = load_classifier(tmp_path / "m", device="cpu")
    texts = [*single.test_texts, *FAR]
    assert again.report_ == json.loads(json.dumps(classifier.report_))
    assert again.precision_curve_ == classifier.precision_curve_
    assert again.scope_.threshold == classifier.scope_.threshold
    np.testing.assert_array_equal(again.memory_.X, classifier.memory_.X)
    np.testing.assert_array_equal(again.memory_.y, classifier.memory_.y)
    np.testing.assert_array_equal(again.predict_proba(texts), classifier.predict_proba(texts))
    np.testing.assert_array_equal(again.scope_scores(texts), classifier.scope_scores(texts))
    assert again.predict_selective(texts, in_scope_only=True) == classifier.predict_selective(texts, in_scope_only=True)


def test_no_training_text_is_saved(sure, single, tmp_path):
    """Prevents private texts from travelling with a model."""
    sure.save(tmp_path / "m")
    written = b"".join(path.read_bytes() for path in (tmp_path / "m").rglob("*") if path.is_file())
    assert not [text for text in many(single)[0] if text.encode() in written]


@pytest.mark.parametrize("compatible", [False, True])
def test_a_model_for_the_hub_is_saved_first(sure, several, monkeypatch, compatible):
    """Prevents an upload of nothing, of half a model, or without the files that were asked for."""
    pushed = []
    monkeypatch.setattr(
        "fewshot.classifiers.base.push_to_hub",
        lambda folder, name: pushed.append((name, {path.name for path in folder.iterdir()}, folder)),
    )
    sure.save("hub:owner/name", metrics={"accuracy": 1.0}, setfit_compatible=compatible)
    [(name, files, folder)] = pushed
    assert name == "hub:owner/name"
    assert {"fewshot.json", "head.safetensors", "model.safetensors", "modules.json"} <= files
    assert ("model_head.pkl" in files) is compatible
    assert not folder.exists()


def test_a_plain_save_writes_no_pickle(sure, tmp_path):
    """Prevents one compatible save from making pickles of all that come after it."""
    sure.save(tmp_path / "a", setfit_compatible=True)
    sure.save(tmp_path / "b")
    assert (tmp_path / "a" / "model_head.pkl").is_file()
    assert not list((tmp_path / "b").rglob("*.pkl"))


@pytest.fixture(scope="module")
def setfit():
    """The package, without its messages."""
    setfit = pytest.importorskip("setfit")
    setfit.logging.set_verbosity_error()
    return setfit


def assert_same_answers(ours, theirs, texts):
    """Compare a classifier with a model of setfit, whose multi-label predictions are rows of 0 and 1."""
    predicted = theirs.predict(texts, as_numpy=True)
    if ours.label_space_.multi_label:
        names = [str(name) for name in theirs.labels]
        rows = [{names[i] for i in np.flatnonzero(row)} for row in predicted]
        assert rows == [set(map(str, row)) for row in ours.predict(texts)]
    else:
        assert list(predicted) == ours.predict(texts).tolist()
        np.testing.assert_allclose(theirs.predict_proba(texts, as_numpy=True), ours.predict_proba(texts), atol=1e-5)


@pytest.mark.parametrize("name", ["sure", "several"])
def test_setfit_answers_the_same(name, request, setfit, single, multi, tmp_path):
    """Prevents labels that change on the way to setfit: in memory, on disk, and back."""
    classifier = request.getfixturevalue(name)
    texts = [*single.test_texts, *multi.test_texts]
    assert_same_answers(classifier, classifier.to_setfit(), texts)
    classifier.save(tmp_path / "m", setfit_compatible=True)
    opened = setfit.SetFitModel.from_pretrained(str(tmp_path / "m"), device="cpu")
    assert_same_answers(classifier, opened, texts)
    for back in (SetFitClassifier.from_setfit(opened, device="cpu"), load_classifier(tmp_path / "m", device="cpu")):
        assert_same_answers(back, opened, texts)


def test_a_model_made_for_setfit_shares_no_weights(sure):
    """Prevents a training in setfit from changing the classifier that it came from."""
    theirs = dict(sure.to_setfit().model_body.named_parameters())
    assert not [name for name, tensor in sure.encoder_.model.named_parameters() if tensor is theirs[name]]


@pytest.fixture(scope="module")
def raw_folder(tiny_folder, tmp_path_factory):
    """The tiny model without its last module: its vectors have any length."""
    folder = tmp_path_factory.mktemp("raw") / "tiny-raw"
    shutil.copytree(tiny_folder, folder)
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:-1]))
    return folder


@pytest.fixture(scope="module", params=["single", "multi"])
def theirs(setfit, raw_folder, request):
    """A model that setfit trained, on vectors of any length; and its task."""
    toy = request.getfixturevalue(request.param)
    options = {"multi_target_strategy": "one-vs-rest", "labels": sorted(TOPICS)} if toy.multi_label else {}
    model = setfit.SetFitModel.from_pretrained(str(raw_folder), device="cpu", **options)
    rows = [[int(name in entry) for name in sorted(TOPICS)] for entry in toy.labels]
    model.fit(toy.texts, rows if toy.multi_label else toy.labels, num_epochs=1)
    model.create_model_card = lambda *args, **kwargs: None
    return model, toy


def test_a_model_of_setfit_becomes_a_classifier(theirs, tmp_path):
    """Prevents other answers than setfit's, its head on vectors of another length, names that become numbers."""
    model, toy = theirs
    (tmp_path / "theirs").mkdir()
    model._save_pretrained(tmp_path / "theirs")
    ours = SetFitClassifier.from_setfit(model, name="theirs", device="cpu")
    ours.save(tmp_path / "ours")
    classifiers = {
        "memory": ours,
        "folder": SetFitClassifier.from_setfit_folder(tmp_path / "theirs", device="cpu"),
        "door": load_classifier(tmp_path / "theirs", device="cpu"),
        "saved": load_classifier(tmp_path / "ours", device="cpu"),
    }
    for classifier in classifiers.values():
        assert classifier.classes_.tolist() == sorted(TOPICS)
        assert not classifier.takes_unit_vectors
        assert_same_answers(classifier, model, toy.test_texts)
        assert_same_answers(classifier, classifier.to_setfit(), toy.test_texts)
        assert "setfit" in classifier.report_["notes"][0]


def test_a_model_of_setfit_remembers_nothing_and_says_so(theirs, sure):
    """Prevents an AttributeError, or a scope around nothing."""
    model, toy = theirs
    ours = SetFitClassifier.from_setfit(model, device="cpu")
    for ask, message in (
        (lambda: ours.update(toy.texts, toy.labels), "keeps no vectors"),
        (lambda: ours.in_scope(toy.texts), "keeps no vectors"),
        (lambda: ours.predict_selective(toy.texts, in_scope_only=True), "keeps no vectors"),
        (lambda: ours.abstention_threshold(0.9), "no held-out predictions"),
    ):
        with pytest.raises(InputError, match=message):
            ask()


def test_a_model_of_setfit_may_be_fitted_anew(theirs):
    """Prevents a head on raw vectors beside a scope on unit ones: a fit starts afresh."""
    model, toy = theirs
    ours = SetFitClassifier.from_setfit(model, device="cpu").set_params(steps=0, templates=None)
    ours.fit(toy.texts, toy.labels)
    assert ours.takes_unit_vectors
    fresh = SetFitClassifier(ours.encoder, steps=0, templates=None).fit(toy.texts, toy.labels)
    np.testing.assert_array_equal(ours.predict_proba(toy.texts), fresh.predict_proba(toy.texts))


def test_what_setfit_cannot_hold_is_refused_before_anything_is_written(tiny_static, tiny_encoder, single, tmp_path):
    """Prevents half a folder, or a head of neighbours that setfit cannot open."""
    table = LinearProbeClassifier(encoder=tiny_static).fit(single.texts, single.labels)
    knn = SetFitClassifier(encoder=tiny_encoder, steps=0, head="knn", templates=None).fit(single.texts, single.labels)
    for classifier, message in (
        (table, "sentence-transformers models only"),
        (knn, "no head that looks up neighbours"),
    ):
        with pytest.raises(InputError, match=message):
            classifier.save(tmp_path / "m", setfit_compatible=True)
        with pytest.raises(InputError, match=message):
            classifier.to_setfit()
        assert not list(tmp_path.iterdir())
        classifier.save(tmp_path / "plain")
        assert not list((tmp_path / "plain").rglob("*.pkl"))
        shutil.rmtree(tmp_path / "plain")
