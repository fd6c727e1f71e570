"""The package setfit as a classifier of ours: the same model that its own trainer makes, and nothing besides."""

import copy
import random

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from fewshot.classifiers.folder import read_content
from fewshot.classifiers.setfit_reference import SetFitReferenceClassifier
from fewshot.core.errors import InputError
from fewshot.encoders.sentence import SentenceEncoder


@pytest.fixture(scope="module")
def raw_encoder(tiny_model):
    """The tiny model without its last module: its vectors have any length."""
    model = SentenceTransformer(modules=[copy.deepcopy(tiny_model[i]) for i in (0, 1)], device="cpu")
    return SentenceEncoder(model, name="raw", device="cpu", precision="float32")


def fit(encoder, toy, **arguments):
    """Fit in two steps."""
    return SetFitReferenceClassifier(encoder=encoder, max_steps=2, **arguments).fit(toy.texts, toy.labels)


@pytest.fixture(scope="module")
def fitted(tiny_encoder, single):
    """One fitted classifier for all tests that only look."""
    return fit(tiny_encoder, single)


@pytest.mark.parametrize("raw", [True, False])
def test_it_is_what_setfit_trains(raw, raw_encoder, tiny_encoder, single, tmp_path):
    """Prevents a comparison with something else than setfit: other pairs, other steps, vectors of another length."""
    from setfit import SetFitModel, Trainer, TrainingArguments
    from sklearn.linear_model import LogisticRegression

    from fewshot.classifiers.setfit_reference import _quiet, _silenced

    encoder = raw_encoder if raw else tiny_encoder
    ours = fit(encoder, single, random_state=5)
    model = SetFitModel(encoder.trainable_copy(), LogisticRegression())
    args = TrainingArguments(
        output_dir=str(tmp_path), max_steps=2, seed=5, save_strategy="no", report_to="none", show_progress_bar=False
    )
    names = sorted(set(single.labels))
    with _quiet():
        trainer = _silenced(Trainer(model=model, args=args))
        trainer.train_embeddings(single.texts, [names.index(label) for label in single.labels], args=args)
        model.model_body.eval()
        trainer.train_classifier(single.texts, single.labels, args=args)
    theirs = model.predict_proba(single.test_texts, as_numpy=True)
    np.testing.assert_allclose(ours.predict_proba(single.test_texts), theirs, atol=1e-5)
    assert ours.takes_unit_vectors != raw


def test_training_changes_a_copy(fitted, tiny_encoder, single):
    """Prevents a second method of the same comparison from starting with a trained encoder."""
    before = tiny_encoder.encode(single.texts)
    again = fit(tiny_encoder, single)
    np.testing.assert_array_equal(tiny_encoder.encode(single.texts), before)
    assert not np.allclose(again.encoder_.encode(single.texts), before, atol=1e-6)
    np.testing.assert_array_equal(again.predict_proba(single.texts), fitted.predict_proba(single.texts))


def test_seeds_differ_and_end_with_the_training(fitted, tiny_encoder, single):
    """Prevents a seed that decides nothing, and one that decides everything after it."""
    random.seed(1)
    expected = random.Random(1).random()
    other = fit(tiny_encoder, single, random_state=7)
    assert random.random() == expected
    assert not np.array_equal(other.predict_proba(single.texts), fitted.predict_proba(single.texts))


def test_it_is_silent_and_leaves_no_files(tiny_encoder, single, tmp_path, monkeypatch, capfd):
    """Prevents progress bars in pipes, logs of every step, and a folder of checkpoints."""
    monkeypatch.chdir(tmp_path)
    fit(tiny_encoder, single)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("raw", [True, False])
def test_it_saves_without_a_pickle_and_comes_back(raw, raw_encoder, tiny_encoder, single, tmp_path):
    """Prevents a saved model that forgets which vectors its head takes."""
    classifier = fit(raw_encoder if raw else tiny_encoder, single)
    classifier.save(tmp_path / "m")
    assert not list((tmp_path / "m").rglob("*.pkl"))
    back = SetFitReferenceClassifier._from_content(read_content(tmp_path / "m"), tmp_path / "m", device="cpu")
    np.testing.assert_allclose(
        back.predict_proba(single.test_texts), classifier.predict_proba(single.test_texts), atol=1e-6
    )
    assert back.max_steps == 2


def test_times_are_measured_apart(fitted):
    """Prevents a comparison of training times that holds the loading of the encoder."""
    assert fitted.train_seconds_ > 0
    assert fitted.head_seconds_ > 0


def test_several_labels(tiny_encoder, multi):
    """Prevents the single-label pairs, or a label without examples on either side from stopping the training."""
    labels = [(*row, "always") for row in multi.labels]
    for given in (multi.labels, labels):
        classifier = SetFitReferenceClassifier(encoder=tiny_encoder, max_steps=2).fit(multi.texts, given)
        probabilities = classifier.predict_proba(multi.test_texts)
        assert probabilities.shape == (len(multi.test_texts), len(classifier.classes_))
        assert isinstance(classifier.predict(multi.test_texts)[0], tuple)
    assert all("always" in row for row in classifier.predict(multi.test_texts))


@pytest.mark.parametrize("everywhere", [True, False])
def test_one_label_of_several(everywhere, tiny_encoder, multi):
    """Prevents two columns where there is one label."""
    labels = [("x",) if everywhere or "login" in row else () for row in multi.labels]
    classifier = SetFitReferenceClassifier(encoder=tiny_encoder, max_steps=1).fit(multi.texts, labels)
    probabilities = classifier.predict_proba(multi.texts)
    assert probabilities.shape == (len(multi.texts), 1)
    assert not everywhere or probabilities.min() == 1.0


def test_texts_that_all_share_a_label_train_no_encoder(tiny_encoder, multi):
    """Prevents setfit's IndexError where there is no pair to push apart."""
    labels = [("a", "b"), ("b", "c"), ("c", "a")] * 3
    classifier = SetFitReferenceClassifier(encoder=tiny_encoder).fit(multi.texts[:9], labels)
    np.testing.assert_allclose(
        classifier.encoder_.encode(multi.texts[:9]), tiny_encoder.encode(multi.texts[:9]), atol=1e-6
    )


def test_raw_heads_get_raw_vectors(raw_encoder, single):
    """Prevents a student from being taught by a head that was fed vectors of another length than it learnt on."""
    classifier = fit(raw_encoder, single)
    X = classifier.encoder_.encode(single.test_texts)
    np.testing.assert_array_equal(classifier.head_input(X), X)
    unit = fit(raw_encoder, single, normalize_embeddings=True)
    np.testing.assert_allclose(np.linalg.norm(unit.head_input(X), axis=1), 1.0, atol=1e-6)
    from fewshot.distillation.teachers import compute_targets

    targets = compute_targets(classifier, single.test_texts)
    np.testing.assert_allclose(targets.probabilities, classifier.predict_proba(single.test_texts), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_iterations": 0}, "num_iterations must be an integer of at least 1"),
        ({"batch_size": 1}, "batch_size must be an integer of at least 2"),
        ({"num_epochs": None}, "num_epochs must be an integer"),
        ({"max_steps": -1}, "max_steps must be an integer of at least 1"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"sampling_strategy": "all"}, "oversampling, undersampling, unique"),
        ({"random_state": -1}, "random_state must be"),
    ],
)
def test_odd_arguments_are_refused(arguments, message, tiny_encoder, single):
    """Prevents an error in the depths of setfit, or a value that it takes for another meaning."""
    with pytest.raises(InputError, match=message):
        SetFitReferenceClassifier(encoder=tiny_encoder, **arguments).fit(single.texts, single.labels)


def test_a_token_table_cannot_be_taught(tiny_static, single):
    """Prevents an AttributeError in the depth where the encoder has nothing to train."""
    with pytest.raises(InputError, match="'tiny-static' cannot be trained"):
        SetFitReferenceClassifier(encoder=tiny_static).fit(single.texts, single.labels)
