"""An exported model: texts in, rows of one of its outputs out, by ONNX Runtime, without torch and transformers.

Which graph it is and how it was made is left to :mod:`fewshot.compression`; what its files must be to
:mod:`fewshot.encoders.onnx_folder`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.core.errors import InputError, ModelFormatError
from fewshot.core.optional import import_extra
from fewshot.encoders.base import CHUNK_TEXTS, Encoder, rows_of
from fewshot.encoders.onnx_folder import (
    LISTING,
    WEIGHTS,
    copy_files,
    read_graph,
    read_onnx_listing,
    read_tokenizer,
)
from fewshot.encoders.token_reader import TokenReader, batches_of
from fewshot.encoders.windows import WindowCutter, average_windows

BATCH_TOKENS = 512
"""Tokens of a pass, padding included: on a processor small batches of like length are fastest. One thread read 344
texts a second of Banking77 one by one; 603, 571 and 412 in batches of 256, 1,024 and 4,096 tokens (MiniLM-L6, int8)."""

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

LEFT_OUT = {"CPUExecutionProvider": ("SkipLayerNormFusion",)}
"""What ONNX Runtime is not to do to a graph: its sum and norm in one is slower than both. Apart, a text took 11 % less
of the processor's time, batches of 32 texts 8 % less (MiniLM-L6, int8, one thread; float32: no difference)."""


class OnnxModel:
    """A graph and its tokenizer.

    Parameters
    ----------
    folder : str or Path
        As :mod:`fewshot.encoders.onnx_folder` describes it. It must stay where it is as long as this is to be saved.
    device : {"cpu", "cuda"}, optional
        Default: the CPU. ``"cuda"`` needs the package ``onnxruntime-gpu``.
    threads : int, optional
        Threads of one pass. Default: ONNX Runtime's own choice, one a core.

    Attributes
    ----------
    listing : OnnxListing

    Raises
    ------
    MissingExtraError
        If ONNX Runtime is not installed.
    ModelFormatError
        If the folder is damaged or unsafe.
    InputError
        If ``device`` or ``threads`` cannot be.
    """

    def __init__(self, folder: str | Path, *, device: str | None = None, threads: int | None = None) -> None:
        self._runtime = import_extra("onnxruntime", extra="onnx", purpose="exported models")
        self._provider = _provider(self._runtime, device)
        self.folder = Path(folder).absolute()
        self.listing = read_onnx_listing(self.folder)
        self.set_threads(threads)  # looks at all files before one is opened
        self.reader = TokenReader(read_tokenizer(self.folder), self.listing.tokens, copy=False)
        self._cutter = self._make_cutter()

    def set_threads(self, threads: int | None) -> None:
        """Take so many threads from now on; the graph is opened anew.

        Parameters
        ----------
        threads : int or None
            At least 1; ``None``: ONNX Runtime's own choice, one a core.

        Raises
        ------
        InputError
            If it is below 1.
        """
        if threads is not None and threads < 1:
            raise InputError(f"threads must be at least 1, got {threads}")
        options = self._runtime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong comes as an exception
        options.intra_op_num_threads = threads or 0
        if WEIGHTS in self.listing.files:
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(self.folder))
        graph = read_graph(self.folder, self.listing)
        try:
            session = self._runtime.InferenceSession(
                graph, options, providers=[self._provider], disabled_optimizers=LEFT_OUT.get(self._provider)
            )
        except Exception as error:  # ONNX Runtime has classes of its own for each failure
            raise ModelFormatError(f"the graph in {str(self.folder)!r} cannot be opened: {error!s:.200}") from None
        inputs, outputs = ([place.name for place in places] for places in (session.get_inputs(), session.get_outputs()))
        if sorted(inputs) != sorted(self.listing.inputs) or not self.listing.outputs.keys() <= set(outputs):
            raise ModelFormatError(f"{LISTING} does not fit the graph: it takes {inputs} and gives {outputs}")
        self._session = session

    def _make_cutter(self) -> WindowCutter | None:
        tokens = self.listing.tokens
        if tokens.max_length is None or tokens.cuts_left:
            return None
        return WindowCutter(self.reader.tokenizer, tokens.max_length, self.max_windows)

    @property
    def max_windows(self) -> int:
        """Windows that a text is cut into at most."""
        return self.listing.max_chunks if self.listing.long_texts == "chunk" else 1

    @property
    def always_one_pass(self) -> bool:
        """Whether each text has tokens, and all that is read of it is read at once."""
        special = self.reader.tokenizer.num_special_tokens_to_add(is_pair=False)
        tokens = self.listing.tokens
        return self.max_windows == 1 and (special > 0 or bool(tokens.prompt) or tokens.blank is not None)

    def rows(self, texts: Sequence[str], output: str, *, name: str = "an ONNX graph") -> np.ndarray:
        """Return one output of the graph for each text.

        Parameters
        ----------
        texts : sequence of str
        output : str
            One of ``listing.outputs``.
        name : str
            What the progress bar calls the model.

        Returns
        -------
        ndarray of shape (n_texts, n_columns), float32
            Equal texts have equal rows. Of a text of several windows it is their mean direction, at their mean length;
            of one without tokens zeros.
        """
        return rows_of(
            lambda some: self.batch_rows(some, output),
            texts,
            self.listing.outputs[output],
            chunk_texts=CHUNK_TEXTS,
            description=f"reading with {name}",
        )

    def batch_rows(self, texts: list[str], output: str) -> np.ndarray:
        """Return one output of the graph for texts of like length; see :meth:`rows`."""
        heads = texts if self._cutter is None else self._cutter.heads(texts)  # a tokenizer reads all before it cuts
        if self.max_windows == 1 or self._cutter is None:
            return self._pass(self.reader.encode(heads), output)
        cut = self._cutter.cut([self.listing.tokens.prompt + text for text in heads])
        rows = self._pass([window for windows in cut for window in windows], output)
        ends = np.cumsum([len(windows) for windows in cut])
        parts = np.split(rows, ends[:-1])
        return np.stack([_joined(part, windows) for part, windows in zip(parts, cut, strict=True)])

    def _pass(self, encodings: Sequence[Any], output: str) -> np.ndarray:
        """Return the graph's output for tokens, a batch at a time."""
        lengths = [len(encoding) for encoding in encodings]
        rows = np.zeros((len(encodings), self.listing.outputs[output]), dtype=np.float32)
        for places in batches_of(lengths, None, BATCH_TOKENS):
            some = [place for place in places if lengths[place]]
            if some:
                features = self.reader.features([encodings[place] for place in some])
                feed = {name: features[name] for name in self.listing.inputs}
                rows[some] = self._session.run([output], feed)[0]
        return rows

    def save(self, folder: str | Path) -> None:
        """Copy its files into a folder, which is made if need be."""
        copy_files(self.folder, Path(folder), self.listing)


class OnnxEncoder(Encoder):
    """Vectors of texts from an exported model.

    Parameters
    ----------
    model : OnnxModel
        With an output ``"embeddings"``.
    name : str, default="onnx"
        How to call it in results.

    Examples
    --------
    >>> OnnxEncoder.load("runs/exported").encode(["a text"]).shape  # doctest: +SKIP
    (1, 384)
    """

    def __init__(self, model: OnnxModel, *, name: str = "onnx") -> None:
        if "embeddings" not in model.listing.outputs:
            raise ModelFormatError(f"the graph in {str(model.folder)!r} gives no vectors")
        self.model = model
        self.name = name
        self.dimension = model.listing.outputs["embeddings"]

    @classmethod
    def load(
        cls, folder: str | Path, *, name: str | None = None, device: str | None = None, threads: int | None = None
    ) -> "OnnxEncoder":
        """Open an exported model; raises as :class:`OnnxModel` does."""
        return cls(OnnxModel(folder, device=device, threads=threads), name=name or str(folder))

    @property
    def precision(self) -> str:
        """What most of the weights are."""
        return self.model.listing.precision

    @property
    def fingerprint(self) -> str:
        """Hash of the files and of how texts are read."""
        return self.model.listing.fingerprint

    @property
    def length_settings(self) -> dict[str, Any]:
        """How much of a long text is read."""
        listing = self.model.listing
        return {
            "max_length": listing.tokens.max_length,
            "long_texts": listing.long_texts,
            "max_chunks": listing.max_chunks,
        }

    def _encode_batch(self, texts: Sequence[str]) -> np.ndarray:
        return self.model.batch_rows(list(texts), "embeddings")

    def save(self, folder: str | Path) -> None:
        """Write a folder that :meth:`load` opens; sentence-transformers does not."""
        self.model.save(folder)


def _joined(rows: np.ndarray, windows: Sequence[Any]) -> np.ndarray:
    if len(windows) == 1:
        return rows[0]
    return average_windows(rows, np.array([window.n_text_tokens for window in windows]))


def _provider(runtime: Any, device: str | None) -> str:
    available = runtime.get_available_providers()
    there = [kind for kind, provider in _PROVIDERS.items() if provider in available]
    kind = (device or "cpu").partition(":")[0]
    if kind not in there:
        raise InputError(
            f"device {device!r} is not available to ONNX Runtime here; it has: {', '.join(there)} "
            "(for cuda install onnxruntime-gpu)"
        )
    return _PROVIDERS[kind]
