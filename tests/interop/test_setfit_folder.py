"""Models of setfit, opened and written: the same labels and probabilities on both sides."""

import json
import shutil

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from fewshot.classifiers.base import unit_rows
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.heads.linear import LinearHead
from fewshot.heads.setfit_heads import ChainHead, OneVsRestHead
from fewshot.interop.setfit_folder import (
    from_setfit,
    is_setfit_folder,
    read_setfit_folder,
    to_setfit,
    write_setfit_head,
)
from tests.conftest import DIMENSION

STRATEGIES = ["one-vs-rest", "multi-output", "classifier-chain"]


@pytest.fixture(scope="module")
def setfit():
    """The package, without its messages."""
    setfit = pytest.importorskip("setfit")
    setfit.logging.set_verbosity_error()
    return setfit


@pytest.fixture(scope="module")
def raw_folder(tiny_folder, tmp_path_factory):
    """The tiny model without its last module: its vectors have any length."""
    folder = tmp_path_factory.mktemp("raw") / "tiny-raw"
    shutil.copytree(tiny_folder, folder)
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:-1]))
    return folder


@pytest.fixture(scope="module")
def train(setfit, raw_folder):
    """Train the head of a SetFitModel on an untrained encoder."""

    def fit(texts, y, **options):
        torch_head = options.pop("torch_head", None)
        model = setfit.SetFitModel.from_pretrained(str(raw_folder), device="cpu", **options)
        if torch_head:
            model.model_head = torch_head
        else:
            model.fit(texts, y, num_epochs=1)
        return model

    return fit


def saved(model, folder):
    """Save without setfit's model card, which needs a trainer."""
    model.create_model_card = lambda *args, **kwargs: None
    folder.mkdir(exist_ok=True)
    model._save_pretrained(folder)
    return folder


def vectors(folder_or_model, texts, content):
    """Embed as a user of ``content`` shall."""
    encoder = SentenceEncoder.load(folder_or_model, device="cpu", precision="float32")
    X = encoder.encode(texts).astype(np.float64)
    return unit_rows(X) if content.normalize_embeddings else X


def assert_same(model, content, X, texts):
    """Compare labels exactly and probabilities closely."""
    theirs, ours = model.predict_proba(texts, as_numpy=True), content.head.predict_proba(X)
    np.testing.assert_allclose(ours, theirs[..., 1] if theirs.ndim == 3 else theirs, atol=1e-6)
    if content.multi_label:
        predicted = ours >= content.head.threshold
        np.testing.assert_array_equal(predicted, np.asarray(model.predict(texts, as_numpy=True)))
    else:
        predicted = [content.classes[i] for i in ours.argmax(axis=1)]
        assert predicted == [getattr(label, "tolist", lambda label=label: label)() for label in model.predict(texts)]


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("names", ["str", "int", "listed", "two"])
def test_single_label_folders_predict_the_same(names, normalize, train, single, single_int, tmp_path):
    """Prevents classes in another order, two classes taken for one, and vectors of the wrong length."""
    toy = {"int": single_int}.get(names, single)
    texts, labels, options = toy.texts, toy.labels, {}
    if names == "two":
        kept = [i for i, label in enumerate(labels) if label != "login"]
        texts, labels = [texts[i] for i in kept], [labels[i] for i in kept]
    if names == "listed":
        places = ["login", "delivery", "billing"]
        labels, options = [places.index(label) for label in labels], {"labels": places}
    model = train(texts, labels, normalize_embeddings=normalize, **options)
    content = read_setfit_folder(saved(model, tmp_path / "m"))
    assert (content.multi_label, content.strategy, content.normalize_embeddings) == (False, None, normalize)
    assert set(content.classes) == set(toy.labels) - ({"login"} if names == "two" else set())
    assert_same(model, content, vectors(tmp_path / "m", toy.test_texts, content), toy.test_texts)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_multi_label_folders_predict_the_same(strategy, normalize, train, multi, tmp_path):
    """Prevents a strategy whose head is misread: probabilities of label 0, a chain in another order."""
    Y = [[int(name in row) for name in ("billing", "delivery", "login")] for row in multi.labels]
    options = {"multi_target_strategy": strategy, "labels": ["billing", "delivery", "login"]}
    model = train(multi.texts, Y, normalize_embeddings=normalize, **options)
    content = read_setfit_folder(saved(model, tmp_path / "m"))
    assert (content.multi_label, content.strategy) == (True, strategy)
    assert content.classes == ["billing", "delivery", "login"]
    assert isinstance(content.head, ChainHead) == (strategy == "classifier-chain")
    assert_same(model, content, vectors(tmp_path / "m", multi.test_texts, content), multi.test_texts)


@pytest.mark.parametrize("constant", [0, 1])
@pytest.mark.parametrize("place", [0, 2])
def test_constant_labels_predict_the_same(constant, place, train, multi, tmp_path):
    """Prevents a crash at scikit-learn's stand-in for a constant label, and other thresholds than it then uses."""
    Y = np.array([[int(name in row) for name in ("billing", "delivery", "login")] for row in multi.labels])
    Y[:, place] = constant
    with pytest.warns(UserWarning, match="present in all"):
        model = train(multi.texts, Y.tolist(), multi_target_strategy="one-vs-rest")
    content = read_setfit_folder(saved(model, tmp_path / "m"))
    assert_same(model, content, vectors(tmp_path / "m", multi.test_texts, content), multi.test_texts)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_single_labels_under_a_strategy_predict_the_same(n_classes, train, single, tmp_path):
    """Prevents sigmoids that sum to anything where one class was fitted against the rest."""
    kept = [i for i, label in enumerate(single.labels) if n_classes == 3 or label != "login"]
    labels = [single.labels[i] for i in kept]
    model = train([single.texts[i] for i in kept], labels, multi_target_strategy="one-vs-rest")
    content = read_setfit_folder(saved(model, tmp_path / "m"))
    assert content.strategy == "one-vs-rest"
    assert isinstance(content.head, OneVsRestHead if n_classes == 3 else LinearHead)
    assert_same(model, content, vectors(tmp_path / "m", single.test_texts, content), single.test_texts)


@pytest.mark.parametrize("multitarget", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_differentiable_heads_predict_the_same(bias, multitarget, setfit, train, single, tmp_path):
    """Prevents a temperature or a bias that is left out of a head made by torch."""
    head = setfit.SetFitHead(DIMENSION, 3, temperature=0.25, bias=bias, device="cpu", multitarget=multitarget)
    model = train(single.texts, single.labels, torch_head=head, labels=["a", "b", "c"])
    content = read_setfit_folder(saved(model, tmp_path / "m"))
    assert (content.multi_label, content.classes) == (multitarget, ["a", "b", "c"])
    assert_same(model, content, vectors(tmp_path / "m", single.test_texts, content), single.test_texts)
    body, in_memory = from_setfit(model)
    assert body is model.model_body
    np.testing.assert_array_equal(in_memory.head.coef, content.head.coef)


def draws(rows, columns=DIMENSION):
    """Random numbers, the same at each call."""
    return 5 * np.random.default_rng(rows).normal(size=(rows, columns))


def linear(rows, multi_label, threshold=0.5):
    """Make a linear head."""
    return LinearHead(draws(rows), draws(rows)[:, 0], multi_label=multi_label, C=2.0, threshold=threshold)


def chain():
    """Make a chain; its rows end in zeros."""
    coef = draws(4, DIMENSION + 3)
    return ChainHead(coef * np.tri(4, DIMENSION + 3, DIMENSION - 1), draws(4)[:, 0], np.array([2, 0, 3, 1]))


HEADS = {
    "two": lambda: linear(2, False),
    "four": lambda: linear(4, False),
    "several": lambda: linear(4, True),
    "several at 0.3": lambda: linear(4, True, threshold=0.3),
    "several at their own": lambda: linear(4, True, threshold=np.array([0.2, 0.5, 0.9, 0.4])),
    "one of several": lambda: linear(1, True),
    "chain": chain,
    "one-vs-rest of two": lambda: OneVsRestHead(draws(2), draws(2)[:, 0]),
    "one-vs-rest": lambda: OneVsRestHead(draws(3), draws(3)[:, 0]),
}


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("kind", ["str", "int"])
def test_setfit_opens_what_we_write(name, kind, setfit, raw_folder, single, tmp_path):
    """Prevents a folder that setfit cannot open, or opens with other labels, and the way back from losing anything."""
    head = HEADS[name]()
    classes = [f"c{i}" if kind == "str" else 7 - 3 * i for i in range(len(head.intercept))]
    shutil.copytree(raw_folder, tmp_path / "m")
    write_setfit_head(tmp_path / "m", classes=classes, head=head, multi_label=head.multi_label)
    model = setfit.SetFitModel.from_pretrained(str(tmp_path / "m"), device="cpu")
    back = read_setfit_folder(tmp_path / "m")
    assert back.classes == ([str(c) for c in classes] if head.multi_label else classes)
    assert back.normalize_embeddings
    texts = single.texts + single.test_texts
    X = vectors(raw_folder, texts, back)
    assert_same(model, back, X, texts)
    ours, theirs = head.predict_proba(X), back.head.predict_proba(X)
    np.testing.assert_array_equal(ours >= head.threshold, theirs >= back.head.threshold)
    if np.all(head.threshold == 0.5):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    in_memory = to_setfit(model.model_body, head, classes, head.multi_label)
    np.testing.assert_array_equal(in_memory.predict_proba(texts), model.predict_proba(texts))


def test_the_same_head_writes_the_same_bytes(tmp_path):
    """Prevents files that differ from run to run."""
    written = []
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        write_setfit_head(tmp_path / run, classes=["x", "y", "z", "w"], head=HEADS["several"](), multi_label=True)
        written.append({file.name: file.read_bytes() for file in (tmp_path / run).iterdir()})
    assert written[0] == written[1]
    assert sorted(written[0]) == ["config_setfit.json", "model_head.pkl"]


@pytest.mark.parametrize("name", ["chain", "one-vs-rest"])
def test_heads_survive_their_arrays(name):
    """Prevents a model folder of ours from losing what these heads are made of."""
    head, X = HEADS[name](), draws(6)
    back = type(head).from_arrays({name: array.copy() for name, array in head.arrays().items()})
    np.testing.assert_array_equal(back.predict_proba(X), head.predict_proba(X))


def test_heads_of_other_kinds_are_refused(train, single, tmp_path):
    """Prevents another estimator's attributes from being taken for a linear head's."""
    model = train(single.texts, single.labels)
    model.model_head = SVC().fit(draws(6), [0, 1, 2] * 2)
    with pytest.raises(ModelFormatError, match=r"sklearn\.svm\._classes\.SVC"):
        read_setfit_folder(saved(model, tmp_path / "m"))
    model.model_head = LogisticRegression()
    with pytest.raises(ModelFormatError, match="KeyError: 'coef_'"):
        from_setfit(model)


def test_folders_without_a_head_are_refused(tiny_folder, tmp_path):
    """Prevents a random head, which setfit makes where the file is missing."""
    assert not is_setfit_folder(tiny_folder)
    with pytest.raises(ModelFormatError, match=r"no model_head\.pkl"):
        read_setfit_folder(tiny_folder)
    with pytest.raises(SourceNotFoundError, match="no model folder"):
        read_setfit_folder(tmp_path / "none")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ('{"labels": ["a"]}', "predicts"),
        ('{"labels": ["a", "a", "b"]}', "all different"),
        ('{"labels": ["a", 1, "b"]}', "all different"),
        ('{"labels": {"a": 1}}', "all different"),
        ('{"labels": null, "normalize_embeddings": "yes"}', "damaged"),
        ("[]", "damaged"),
        ("{", "not valid JSON"),
    ],
)
def test_odd_configurations_are_refused(config, message, tmp_path):
    """Prevents names that stand for the wrong class."""
    joblib.dump(LogisticRegression().fit(draws(6), [0, 1, 2] * 2), tmp_path / "model_head.pkl")
    (tmp_path / "config_setfit.json").write_text(config)
    with pytest.raises(ModelFormatError, match=message):
        read_setfit_folder(tmp_path)


def test_a_folder_without_configuration_takes_the_classes_of_its_head(tmp_path):
    """Prevents refusing what setfit opens."""
    joblib.dump(LogisticRegression().fit(draws(6), [5, 1, 3] * 2), tmp_path / "model_head.pkl")
    content = read_setfit_folder(tmp_path)
    assert (content.classes, content.normalize_embeddings) == ([1, 3, 5], False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": ["a"]}, "1 classes, but head has 4"),
        ({"multi_label": False}, "multi_label is False"),
        ({"head": None}, "head must be"),
        ({"folder": "nowhere"}, "is not there"),
    ],
)
def test_heads_that_do_not_fit_are_not_written(arguments, message, tmp_path):
    """Prevents a folder that opens and predicts nonsense."""
    fitting = {"folder": tmp_path, "classes": list("abcd"), "head": HEADS["several"](), "multi_label": True}
    with pytest.raises(InputError, match=message):
        write_setfit_head(**(fitting | arguments))
    assert not list(tmp_path.iterdir())
