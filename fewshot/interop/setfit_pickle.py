"""Reads the pickle of a classification head without unpickling it: no class is imported, nothing in it is called.

The opcodes are decoded by the standard library's ``pickletools`` and followed by a machine that knows only those that
a head needs. A class named in the file becomes a :class:`Record`, its name beside the values of its attributes, and
only if it stands in :data:`KNOWN`. Arrays are views of the bytes of the file, so what comes out is never much larger
than the file. What the records mean is left to :mod:`fewshot.heads.setfit_heads`.
"""

import dataclasses
import io
import math
import pickletools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from fewshot.core.errors import ModelFormatError

MAX_BYTES = 512 * 2**20
"""Largest file that is read. The head of 1000 classes on 4096 dimensions has 32 MB."""

MAX_OPCODES = 2_000_000
"""Most steps of the machine; one-vs-rest over 1000 labels takes about 200 000."""

LOGISTIC, CONSTANT = "LogisticRegression", "_ConstantPredictor"
ONE_VS_REST, MULTI_OUTPUT, CHAIN = "OneVsRestClassifier", "MultiOutputClassifier", "ClassifierChain"
TORCH_HEAD = "SetFitHead"

KNOWN = {
    ("joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("sklearn.linear_model._logistic", LOGISTIC),
    ("sklearn.linear_model.logistic", LOGISTIC),
    ("sklearn.multiclass", ONE_VS_REST),
    ("sklearn.multiclass", CONSTANT),
    ("sklearn.multioutput", MULTI_OUTPUT),
    ("sklearn.multioutput", CHAIN),
    ("sklearn.preprocessing._label", "LabelBinarizer"),
    ("sklearn.preprocessing.label", "LabelBinarizer"),
    ("collections", "OrderedDict"),
    ("setfit.modeling", TORCH_HEAD),
    ("torch", "device"),
    ("torch", "FloatStorage"),
    ("torch", "DoubleStorage"),
    ("torch", "HalfStorage"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch.nn.modules.linear", "Linear"),
    ("torch.storage", "_load_from_bytes"),
}
"""Every name that a head may hold, as module and name. Each stands for an inert record, never for the thing itself."""

_PLAIN_DTYPE = re.compile(r"[fiub][1248]|U[1-9][0-9]{0,3}")
_STORAGES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2"}
_TORCH_MAGIC, _TORCH_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


@dataclasses.dataclass(frozen=True, eq=False)
class Name:
    """A class or function that the file names; it cannot be called."""

    name: str


@dataclasses.dataclass(eq=False)
class Record:
    """An object that was not built: the name of its class, and what it would have been built from."""

    name: str
    args: tuple[Any, ...] = ()
    state: Any = None


def read_pickle(data: bytes) -> Any:
    """Read what ``joblib.dump`` or ``pickle.dump`` made of a head, without running any of it.

    Parameters
    ----------
    data : bytes
        The whole file, uncompressed.

    Returns
    -------
    object
        Plain values, read-only arrays and :class:`Record` objects.

    Raises
    ------
    ModelFormatError
        If the file is too large, compressed, damaged, or asks for anything that a head does not need. Nothing has run.

    Examples
    --------
    >>> import pickle
    >>> read_pickle(pickle.dumps({"a": [1, 2.5]}))
    {'a': [1, 2.5]}
    >>> read_pickle(pickle.dumps(print))
    Traceback (most recent call last):
    ...
    fewshot.core.errors.ModelFormatError: the pickle asks for 'builtins.print', which no classification head needs; ...
    """
    if len(data) > MAX_BYTES:
        raise ModelFormatError(f"the pickle has {len(data)} bytes; at most {MAX_BYTES} are read")
    if data[:1] != b"\x80":
        raise ModelFormatError(
            "the file is no pickle of protocol 2 or later, or a compressed one; "
            "write it anew with setfit's save_pretrained, which does not compress"
        )
    try:
        return _Machine(data, [MAX_OPCODES]).run()
    except ModelFormatError:
        raise
    except Exception as error:  # a damaged file breaks the decoder in as many ways as there are opcodes
        raise ModelFormatError(f"the pickle is damaged: {type(error).__name__}: {str(error)[:200]}") from None


class _Machine:
    """Follows the opcodes of one pickle in ``data``; ``budget`` holds the steps left, shared with nested pickles."""

    def __init__(self, data: bytes, budget: list[int], start: int = 0) -> None:
        self.data = data
        self.budget = budget
        self.stream = io.BytesIO(data)
        self.stream.seek(start)
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        for opcode, argument, _ in pickletools.genops(self.stream):
            self.budget[0] -= 1
            if self.budget[0] < 0:
                raise ModelFormatError(f"the pickle takes more than {MAX_OPCODES} steps, which no head does")
            if opcode.name in _LITERALS:
                self.stack.append(argument)
            elif opcode.name in _STEPS:
                _STEPS[opcode.name](self, argument)
            else:
                raise ModelFormatError(f"the pickle uses {opcode.name}, which no classification head needs")
        (value,) = self.stack
        return value

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop_many(self, count: int) -> tuple[Any, ...]:
        start = len(self.stack) - count
        if count < 0 or start < 0:
            raise ValueError("the stack is empty")
        values = tuple(self.stack[start:])
        del self.stack[start:]
        return values

    def pop_marked(self) -> tuple[Any, ...]:
        return self.pop_many(len(self.stack) - self.marks.pop())

    def append(self, values: tuple[Any, ...]) -> None:
        _only(self.stack[-1], list).extend(values)

    def set_items(self, values: tuple[Any, ...]) -> None:
        target = _only(self.stack[-1], dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            # Nested tuples as keys would be hashed, which a few bytes can make last forever.
            target[_only(key, str, int, float, bool, type(None))] = value

    def look_up(self, module: Any, name: Any) -> None:
        if (_only(module, str), _only(name, str)) not in KNOWN:
            asked = f"{module}.{name}"[:120]
            raise ModelFormatError(
                f"the pickle asks for {asked!r}, which no classification head needs; it may be meant to run code, "
                "and nothing of it was run"
            )
        self.push(Name(name))

    def make(self, argument: None) -> None:
        """Stand in for a call or for a new object."""
        called, args = self.pop_many(2)
        name, args = _only(called, Name).name, _only(args, tuple)
        self.push(_CALLS[name](self, *args) if name in _CALLS else Record(name, args))

    def build(self, argument: None) -> None:
        """Take the attributes of a record; the wrapper of an array is followed by the array's bytes."""
        record, state = self.pop_many(2)
        if _only(record, Record).state is not None:
            raise ValueError(f"{record.name} is built twice")
        record.state = state
        self.push(self.read_array(state) if record.name == "NumpyArrayWrapper" else record)

    def read_array(self, state: Any) -> np.ndarray:
        dtype, shape = numpy_dtype(_only(state, dict)["dtype"]), _shape(state["shape"])
        if _only(state["subclass"], Name).name != "ndarray" or state["order"] not in ("C", "F"):
            raise ModelFormatError("the pickle holds an array that is no plain numpy.ndarray")
        if state.get("numpy_array_alignment_bytes") is not None:
            self.stream.seek(self.stream.read(1)[0], io.SEEK_CUR)
        start = self.stream.tell()
        array = _view(self.data, dtype, shape, start=start, order=state["order"])
        self.stream.seek(start + array.nbytes)
        return array

    def storage(self, data: Any) -> np.ndarray:
        """Read what ``torch.save`` made of a storage in its old format: five pickles, a count, the numbers."""
        start, parts = 0, []
        for _ in range(5):
            inner = _Machine(_only(data, bytes), self.budget, start)
            parts.append(inner.run())
            start = inner.stream.tell()
        magic, protocol, system, stored, keys = parts
        count = _only(stored, Record).args[4]
        usual = _only(system, dict).get("little_endian") is True and len(_only(keys, list)) == 1
        if (magic, protocol) != (_TORCH_MAGIC, _TORCH_PROTOCOL) or not usual:
            raise ModelFormatError("the pickle holds a torch storage of an unknown format")
        if int.from_bytes(data[start : start + 8], "little") != count:
            raise ModelFormatError("the pickle holds a torch storage whose size is not the one it names")
        kind = _only(stored.args[1], Name).name
        return _view(data, np.dtype(_STORAGES[kind]), _shape((count,)), start=start + 8)


def _only(value: Any, *kinds: type) -> Any:
    if type(value) not in kinds:
        raise TypeError(f"{type(value).__name__} where {kinds[0].__name__} was expected")
    return value


def _shape(shape: Any) -> tuple[int, ...]:
    if len(_only(shape, tuple)) > 4 or any(type(size) is not int or not 0 <= size <= MAX_BYTES for size in shape):
        raise ModelFormatError("the pickle holds an array of an impossible shape")
    return tuple(shape)


def numpy_dtype(record: Any) -> np.dtype:
    """Return the NumPy type that a record names: numbers or strings, never Python objects."""
    spec = _only(_only(record, Record).args[0], str)
    if record.name != "dtype" or not _PLAIN_DTYPE.fullmatch(spec):
        raise ModelFormatError(
            f"the pickle holds an array of dtype {spec[:40]!r}; only plain numbers and strings are read, since arrays "
            "of Python objects embed a second pickle"
        )
    order = record.state[1] if record.state else "="
    return np.dtype(("<" if order == "|" else _only(order, str)) + spec)


def _view(data: bytes, dtype: np.dtype, shape: tuple[int, ...], *, start: int = 0, order: Any = "C") -> np.ndarray:
    count = math.prod(shape)
    if count * dtype.itemsize > len(data) - start:
        raise ModelFormatError(
            f"the pickle claims an array of {count * dtype.itemsize} bytes where {max(0, len(data) - start)} are left"
        )
    return np.frombuffer(data, dtype, count, start).reshape(shape, order=order)


def as_array(value: Any) -> np.ndarray:
    """Return an array that was pickled in either way: joblib's, already read, or NumPy's own.

    Raises
    ------
    ModelFormatError
        If it is none, or of Python objects.
    """
    if isinstance(value, np.ndarray):
        return value
    if not isinstance(value, Record) or value.name != "_reconstruct" or type(value.state) is not tuple:
        raise ModelFormatError(f"the pickle holds a {type(value).__name__} where an array was expected")
    _, shape, dtype, fortran, raw = value.state
    return _view(_only(raw, bytes), numpy_dtype(dtype), _shape(shape), order="F" if fortran is True else "C")


def _scalar(machine: _Machine, dtype: Any, raw: Any) -> Any:
    return _view(_only(raw, bytes), numpy_dtype(dtype), (1,))[0].item()


def _tensor(machine: _Machine, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> np.ndarray:
    """Return a contiguous part of a storage in its shape, as ``torch._utils._rebuild_tensor_v2`` would."""
    shape, (first,) = _shape(size), _shape((offset,))
    if _only(stride, tuple) != tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape))):
        raise ModelFormatError("the pickle holds a torch tensor that is not contiguous")
    return _only(storage, np.ndarray)[first : first + math.prod(shape)].reshape(shape)


_CALLS: dict[str, Callable[..., Any]] = {
    "OrderedDict": lambda machine: {},
    "scalar": _scalar,
    "_load_from_bytes": _Machine.storage,
    "_rebuild_parameter": lambda machine, data, *rest: data,
    "_rebuild_tensor_v2": _tensor,
}

_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}

_STEPS: dict[str, Callable[[_Machine, Any], Any]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "STOP": lambda machine, _: None,
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_SET": lambda machine, _: machine.push(set()),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE1": lambda machine, _: machine.push(machine.pop_many(1)),
    "TUPLE2": lambda machine, _: machine.push(machine.pop_many(2)),
    "TUPLE3": lambda machine, _: machine.push(machine.pop_many(3)),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "TUPLE": lambda machine, _: machine.push(machine.pop_marked()),
    "APPEND": lambda machine, _: machine.append(machine.pop_many(1)),
    "APPENDS": lambda machine, _: machine.append(machine.pop_marked()),
    "SETITEM": lambda machine, _: machine.set_items(machine.pop_many(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_marked()),
    "MEMOIZE": lambda machine, _: machine.memo.__setitem__(len(machine.memo), machine.stack[-1]),
    "BINPUT": lambda machine, at: machine.memo.__setitem__(at, machine.stack[-1]),
    "LONG_BINPUT": lambda machine, at: machine.memo.__setitem__(at, machine.stack[-1]),
    "BINGET": lambda machine, at: machine.push(machine.memo[at]),
    "LONG_BINGET": lambda machine, at: machine.push(machine.memo[at]),
    "GLOBAL": lambda machine, names: machine.look_up(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.look_up(*machine.pop_many(2)),
    "REDUCE": _Machine.make,
    "NEWOBJ": _Machine.make,
    "BUILD": _Machine.build,
    "BINPERSID": lambda machine, _: machine.push(Record("persistent", _only(machine.pop_many(1)[0], tuple))),
}
