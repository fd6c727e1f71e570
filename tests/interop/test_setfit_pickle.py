"""Hostile heads: whatever a ``model_head.pkl`` holds, nothing of it runs, and it costs little to say no."""

import builtins
import collections
import functools
import gzip
import importlib
import io
import itertools
import os
import pickle
import struct
import sys
import tracemalloc

import joblib
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from joblib.numpy_pickle import NumpyArrayWrapper
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier

from fewshot.core.errors import ModelFormatError
from fewshot.heads.setfit_heads import OneVsRestHead
from fewshot.interop import setfit_folder, setfit_pickle
from fewshot.interop.setfit_folder import read_setfit_folder
from fewshot.interop.setfit_pickle import read_pickle
from fewshot.interop.setfit_records import read_head

X = np.random.default_rng(0).normal(size=(30, 4))
Y = np.arange(30) % 3
RAN: list[str] = []


def canary(*args):
    """Note that a pickle ran something."""
    RAN.append("ran")
    return {}


class Call:
    """Pickles as a call of ``function``."""

    def __init__(self, function, *args, state=None):
        self.plan = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.plan


def dumped(value, protocol=4):
    """Pickle with joblib, as setfit does."""
    buffer = io.BytesIO()
    joblib.dump(value, buffer, protocol=protocol)
    return buffer.getvalue()


def head(**changes):
    """A fitted head whose attributes were replaced, pickled."""
    model = LogisticRegression().fit(X, Y)
    vars(model).update(changes)
    return dumped(model)


def header(**state):
    """The header of an array with whatever in it, and no numbers after it."""
    wrapper = NumpyArrayWrapper(np.ndarray, (1,), "C", np.dtype("f8"), allow_mmap=True)
    vars(wrapper).update(state)
    return pickle.dumps(wrapper, protocol=4)


def raw(*parts):
    """A pickle written by hand."""
    return b"\x80\x04" + b"".join(parts) + b"."


def named(module, name):
    """The opcode that asks for a global."""
    return f"c{module}\n{name}\n".encode()


def text(value):
    """The opcode of a short string."""
    return b"\x8c" + bytes([len(value)]) + value.encode()


def storage(content):
    """A torch storage whose inner pickle is ``content``."""
    return raw(named("torch.storage", "_load_from_bytes"), b"C" + bytes([len(content)]) + content, b"\x85R")


def chain_of_tuples(depth):
    """A tuple of itself twice, ``depth`` times: few bytes, 2 to the ``depth`` elements to hash."""
    return b")" + b"".join(b"\x94h" + bytes([i]) + b"\x86" for i in range(depth))


LOGISTIC = "sklearn.linear_model._logistic", "LogisticRegression"

HOSTILE = {
    "os.system": lambda marker: dumped(Call(os.system, f"touch {marker}")),
    "os.system in an attribute": lambda marker: head(coef_=Call(os.system, f"touch {marker}")),
    "os.system as a state": lambda marker: dumped(Call(LogisticRegression, state=Call(os.system, f"touch {marker}"))),
    "eval": lambda marker: dumped(Call(eval, f"open({str(marker)!r}, 'w')")),
    "exec": lambda marker: dumped(Call(builtins.exec, f"open({str(marker)!r}, 'w')")),
    "open": lambda marker: dumped(Call(open, str(marker), "w")),
    "partial": lambda marker: dumped(functools.partial(os.system, f"touch {marker}")),
    "import_module": lambda marker: dumped(Call(importlib.import_module, "this")),
    "getattr": lambda marker: raw(named("builtins", "getattr")),
    "our own function": lambda marker: dumped(Call(canary)),
    "joblib.load": lambda marker: dumped(Call(joblib.load, str(marker))),
    "numpy.load": lambda marker: dumped(Call(np.load, str(marker))),
    "nested object array": lambda marker: head(coef_=np.array([Call(os.system, f"touch {marker}")], dtype=object)),
    "object array by numpy": lambda marker: pickle.dumps(np.array([Call(os.system, f"touch {marker}")], dtype=object)),
    "dotted name": lambda marker: raw(text("numpy"), text("dtype.__reduce__"), b"\x93"),
    "dotted module": lambda marker: raw(text("sklearn.utils"), text("os.system"), b"\x93", text("true"), b"\x85R"),
    "dotted known module": lambda marker: raw(text("collections"), text("OrderedDict.fromkeys"), b"\x93)R"),
    "text protocol": lambda marker: f"cos\nsystem\n(S'touch {marker}'\ntR.".encode(),
    "INST": lambda marker: raw(f"(S'touch {marker}'\nios\nsystem\n".encode()),
    "OBJ": lambda marker: raw(b"(", named(*LOGISTIC), b"o"),
    "extension registry": lambda marker: raw(b"\x82\x01"),
    "array of another class": lambda marker: header(subclass=os.system),
    "array of a known class": lambda marker: header(subclass=LogisticRegression) + bytes(100),
    "array of an unknown order": lambda marker: header(order=LogisticRegression) + bytes(100),
    "array that maps a file": lambda marker: dumped(np.memmap(marker.with_name("m"), "f8", "w+", shape=(2,)))[:-20],
    "array larger than the file": lambda marker: header(shape=(2**27, 2**20)),
    "array of a negative shape": lambda marker: header(shape=(-1, 2)) + bytes(100),
    "array of a fractional shape": lambda marker: header(shape=(1.5,)) + bytes(100),
    "array of no bytes": lambda marker: header(dtype=np.dtype("V0"), shape=(2**40,)) + bytes(100),
    "array of records": lambda marker: header(dtype=np.dtype([("a", object)])) + bytes(100),
    "array of dates": lambda marker: header(dtype=np.dtype("M8[s]")) + bytes(100),
    "setstate as a state": lambda marker: head(__setstate__=Call(os.system, f"touch {marker}")),
    "class in the place of an object": lambda marker: dumped({"coef_": LogisticRegression}),
    "call of an object": lambda marker: raw(named(*LOGISTIC), b")\x81", b")R"),
    "call of a string": lambda marker: raw(text("os.system"), b")R"),
    "built twice": lambda marker: raw(named(*LOGISTIC), b")\x81", b"}b}b"),
    "state of slots": lambda marker: raw(named(*LOGISTIC), b")\x81", b"}", b"}", b"\x86b"),
    "append to an object": lambda marker: raw(named(*LOGISTIC), b")\x81", b"Na"),
    "items of an object": lambda marker: raw(named(*LOGISTIC), b")\x81", b"NNs"),
    "persistent id": lambda marker: raw(text(str(marker)[:200]), b"Q"),
    "torch storage that calls": lambda marker: storage(pickle.dumps(Call(os.system, "true"), 2)),
    "torch storage of another format": lambda marker: storage(b"".join([pickle.dumps(1, 2)] * 5)),
    "torch storage cut off": lambda marker: storage(pickle.dumps(0x1950A86A20F9469CFC6C, 2)),
    "torch device": lambda marker: raw(named("torch", "load"), text("x"), b"\x85R"),
    "random state": lambda marker: head(random_state=np.random.RandomState(0)),
    "hash without end": lambda marker: raw(b"}", chain_of_tuples(60), b"Ns"),
    "comparison without end": lambda marker: raw(chain_of_tuples(60), b"0", chain_of_tuples(60)),
    "set of tuples": lambda marker: raw(b"\x8f(", chain_of_tuples(60), b"\x90"),
    "huge bytearray": lambda marker: raw(b"\x96" + struct.pack("<Q", 2**40)),
    "huge bytes": lambda marker: raw(b"\x8e" + struct.pack("<Q", 2**40)),
    "huge string": lambda marker: raw(b"\x8d" + struct.pack("<Q", 2**40)),
    "huge memo": lambda marker: raw(b"Nr" + struct.pack("<I", 2**32 - 1)),
    "long integer": lambda marker: raw(b"\x8b" + struct.pack("<i", 2**31 - 1)),
    "out-of-band buffer": lambda marker: raw(b"\x97"),
    "empty stack": lambda marker: raw(b"\x85"),
    "mark of nothing": lambda marker: raw(b"t"),
    "nothing": lambda marker: b"",
    "compressed": lambda marker: gzip.compress(head()),
    "no pickle": lambda marker: b"PK\x03\x04" + bytes(100),
    "nothing after the protocol": lambda marker: b"\x80\x04",
    "another value": lambda marker: dumped([1, 2]),
    "ordered dictionary with items": lambda marker: dumped(collections.OrderedDict(a=1)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_of_a_hostile_head_runs(name, tmp_path):
    """Prevents a model from the network from running code, or from filling the memory before it is refused."""
    marker = tmp_path / "canary"
    data = HOSTILE[name](marker)
    (tmp_path / "model_head.pkl").write_bytes(data)
    RAN.clear()
    imported = set(sys.modules)
    tracemalloc.start()
    try:
        with pytest.raises(ModelFormatError):
            read_setfit_folder(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    finally:
        tracemalloc.stop()
    assert not RAN
    assert not marker.exists()
    assert "this" not in set(sys.modules) - imported


def test_the_canary_sings_where_the_pickle_is_loaded(tmp_path):
    """Prevents a table of attacks that would not do anything anywhere."""
    marker = tmp_path / "canary"
    joblib.load(io.BytesIO(HOSTILE["os.system in an attribute"](marker)))
    assert marker.exists()


@pytest.mark.parametrize(
    ("asked", "function"), [(f"{os.system.__module__}.system", os.system), ("builtins.eval", eval)]
)
def test_the_refusal_names_what_was_asked_for(asked, function):
    """Prevents a user from taking an attack for a damaged download."""
    with pytest.raises(ModelFormatError, match=f"'{asked}'.*nothing of it was run"):
        read_head(head(coef_=Call(function, "1")))


ODD = {
    "not a number": {"coef_": np.full((3, 4), np.nan)},
    "infinite": {"intercept_": np.full(3, np.inf)},
    "integers": {"coef_": np.zeros((3, 4), dtype=int)},
    "strings": {"coef_": np.full((3, 4), "a")},
    "one dimension": {"coef_": np.zeros(4)},
    "no coefficients": {"coef_": np.zeros((0, 4))},
    "other lengths": {"intercept_": np.zeros(2)},
    "too few classes": {"classes_": np.arange(2)},
    "the same classes": {"classes_": np.zeros(3, dtype=int)},
    "classes in two dimensions": {"classes_": np.zeros((3, 2), dtype=int)},
    "classes of objects": {"classes_": np.array(["a", "b", "c"], dtype=object)},
    "no array": {"coef_": [[1.0, 2.0]]},
    "odd strength": {"C": "strong"},
}


@pytest.mark.parametrize("name", ODD)
def test_heads_with_odd_attributes_are_refused(name):
    """Prevents NaN probabilities, or an error in the depth of the first prediction."""
    with pytest.raises(ModelFormatError):
        read_head(head(**ODD[name]))


def several(kind, **changes):
    """A fitted multi-label head with changed attributes, pickled."""
    model = kind(LogisticRegression()).fit(X, np.eye(3, dtype=int)[Y])
    for path, value in changes.items():
        target, _, attribute = path.rpartition("__")
        vars(model.estimators_[int(target)] if target else model)[attribute] = value
    return dumped(model)


@pytest.mark.parametrize(
    "data",
    [
        several(OneVsRestClassifier, label_binarizer_=None),
        several(OneVsRestClassifier, estimators_=[]),
        several(OneVsRestClassifier, **{"1__coef_": np.zeros((1, 7))}),
        several(OneVsRestClassifier, **{"1__coef_": np.zeros((2, 4))}),
        several(OneVsRestClassifier, **{"1__intercept_": np.zeros(5)}),
        several(MultiOutputClassifier, **{"0__classes_": np.array([3, 4])}),
        several(MultiOutputClassifier, estimators_=[MultiOutputClassifier(LogisticRegression())]),
        several(ClassifierChain, order_=np.array([0, 0, 1])),
        several(ClassifierChain, order_=[(), (), ()]),
        several(ClassifierChain, chain_method_="predict_proba"),
        several(ClassifierChain, **{"2__coef_": np.zeros((1, 4))}),
    ],
    ids=itertools.count(),
)
def test_several_heads_that_do_not_fit_are_refused(data):
    """Prevents estimators of different widths, orders that leave a label out, labels that are not 0 and 1."""
    with pytest.raises(ModelFormatError):
        read_head(data)


def test_one_array_named_often_is_refused_before_it_is_copied():
    """Prevents a small file that names one row a hundred thousand times from becoming gigabytes."""
    model = OneVsRestClassifier(LogisticRegression()).fit(X, np.eye(3, dtype=int)[Y])
    wide = model.estimators_[0]
    wide.coef_ = np.zeros((1, 50_000))
    model.estimators_ = [wide] * 100_000
    data = dumped(model)
    tracemalloc.start()
    with pytest.raises(ModelFormatError, match="too many"):
        read_head(data)
    assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    tracemalloc.stop()


def test_the_steps_of_the_machine_are_bounded(monkeypatch):
    """Prevents a file of one-byte opcodes from becoming a hundred times its size."""
    monkeypatch.setattr(setfit_pickle, "MAX_OPCODES", 1000)
    with pytest.raises(ModelFormatError, match="more than 1000 steps"):
        read_pickle(raw(b"}" * 2000))


def test_large_files_are_refused_before_they_are_read_whole(monkeypatch, tmp_path):
    """Prevents a file that fills the memory by itself."""
    monkeypatch.setattr(setfit_pickle, "MAX_BYTES", 100)
    monkeypatch.setattr(setfit_folder, "MAX_BYTES", 100)
    (tmp_path / "model_head.pkl").write_bytes(head())
    with pytest.raises(ModelFormatError, match=r"model_head\.pkl.*at most 100"):
        read_setfit_folder(tmp_path)
    with pytest.raises(ModelFormatError, match="at most 100"):
        read_pickle(head())


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
@example(b"(t.")
def test_random_bytes_are_refused(noise):
    """Prevents other errors than ours at damaged files."""
    for data in (noise, b"\x80\x04" + noise):
        with pytest.raises(ModelFormatError):
            read_head(data)


GOOD = head()
SEVERAL = several(OneVsRestClassifier)


@given(st.integers(0, len(SEVERAL) - 1))
@settings(max_examples=100, deadline=None)
def test_truncated_files_are_refused(length):
    """Prevents half a download from being a model."""
    with pytest.raises(ModelFormatError):
        read_head(SEVERAL[:length])


@given(st.integers(0, len(SEVERAL) - 1), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_changed_bytes_are_refused_or_harmless(place, value):
    """Prevents a single wrong byte from raising anything but our error, or from giving what is no number."""
    data = bytearray(SEVERAL)
    data[place] = value
    try:
        content = read_head(bytes(data))
    except ModelFormatError:
        return
    assert np.isfinite(content.head.coef).all()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("labels", [Y, np.array(["a", "b", "ç"])[Y]])
def test_heads_of_every_protocol_are_read(labels, protocol):
    """Prevents refusing files of older and newer versions of Python."""
    model = LogisticRegression(C=3.0).fit(X, labels)
    for data in (dumped(model, protocol), pickle.dumps(model, protocol)) if protocol in (3, 4) else (dumped(model),):
        content = read_head(data)
        np.testing.assert_allclose(content.head.predict_proba(X), model.predict_proba(X))
        assert content.classes == model.classes_.tolist()
        assert content.head.C == 3.0


@pytest.mark.parametrize("dtype", [">f8", ">f4", "<f4", "<f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_layout_are_read(dtype, order):
    """Prevents columns read as rows, and numbers of another machine read backwards."""
    coef = np.asarray(X[:3], dtype=dtype, order=order)
    np.testing.assert_array_equal(read_head(head(coef_=coef)).head.coef, coef.astype(float))


@pytest.mark.parametrize("order", [[2, 0, 1], None])
def test_chains_predict_as_scikit_learn_does(order):
    """Prevents a chain whose columns or earlier decisions are mixed up."""
    labels = np.random.default_rng(1).integers(0, 2, (30, 3))
    model = ClassifierChain(LogisticRegression(), order=order).fit(X, labels)
    content = read_head(dumped(model))
    np.testing.assert_allclose(content.head.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(content.head.predict_proba(X) >= 0.5, model.predict(X))


def test_heads_fitted_class_by_class_are_normalized_sigmoids():
    """Prevents a softmax over what liblinear fitted one class at a time."""
    model = OneVsRestClassifier(LogisticRegression(solver="liblinear")).fit(X, Y)
    rows = [np.vstack([getattr(e, name) for e in model.estimators_]) for name in ("coef_", "intercept_")]
    content = read_head(head(coef_=rows[0], intercept_=rows[1].ravel(), multi_class="auto", solver="liblinear"))
    assert isinstance(content.head, OneVsRestHead)
    np.testing.assert_allclose(content.head.predict_proba(X), model.predict_proba(X))


def test_a_head_without_intercept_is_read():
    """Prevents refusing the single zero that scikit-learn keeps for all classes."""
    model = LogisticRegression(fit_intercept=False).fit(X, Y)
    np.testing.assert_allclose(read_head(dumped(model)).head.predict_proba(X), model.predict_proba(X))
