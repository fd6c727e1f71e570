"""A transformers sequence classifier in a folder: opened without running a line of its code, asked in batches.

Texts, or pairs of texts, to logits. What an output means (a class, entailment) is left to
:mod:`fewshot.distillation.teachers`.
"""

import hashlib
import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fewshot.classifiers.sequence_models import open_whole
from fewshot.core.artifacts import read_json
from fewshot.core.errors import FewshotError, InputError, ModelFormatError, SourceNotFoundError
from fewshot.core.progress import track
from fewshot.encoders.device import choose_device
from fewshot.encoders.transformer_opening import length_limit

_ARCHITECTURE = "ForSequenceClassification"
_LARGEST_CONFIG = 16 * 2**20


class SequenceModel:
    """Logits of texts, or of pairs of texts, from a model in a local folder.

    Parameters
    ----------
    folder : str or Path
        ``config.json``, weights as safetensors and a tokenizer, as ``save_pretrained`` writes them. Neither the Hub nor
        code in the folder is asked.
    device : str, optional
        See :func:`fewshot.encoders.device.choose_device`.
    batch_size : int, optional
        Texts or pairs a forward pass; halved, and kept so, when memory runs out. Default: 16 on a CPU, where small
        groups of like length pad little, 128 elsewhere.

    Attributes
    ----------
    labels : list of str
        What the folder calls its outputs, in their order.
    multi_label : bool
        Whether the folder says that each output stands for itself.
    max_length : int
        Tokens that the model reads of a text or pair; the rest is cut off.

    Raises
    ------
    SourceNotFoundError
        If there is no such folder.
    ModelFormatError
        If it is no sequence classifier, is damaged, holds no safetensors weights or asks for code of its own.
    """

    def __init__(self, folder: str | Path, *, device: str | None = None, batch_size: int | None = None) -> None:
        if batch_size is not None and batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}")
        self.name = str(folder)
        self.device = choose_device(device)
        model, self.tokenizer = _open(Path(folder))
        self.model = model.to(self.device).eval()
        config = model.config
        self.labels = [str(config.id2label[index]) for index in range(config.num_labels)]
        self.multi_label = config.problem_type == "multi_label_classification"
        self.max_length = length_limit(model, self.tokenizer)
        self._inputs = set(inspect.signature(model.forward).parameters)
        self.batch_size = batch_size or (16 if self.device == "cpu" else 128)

    @property
    def fingerprint(self) -> str:
        """Hash of weights, configuration, tokenizer and length limit."""
        digest = hashlib.blake2b(digest_size=16)
        config = self.model.config.to_diff_dict()
        facts = {name: value for name, value in config.items() if name not in ("transformers_version", "_name_or_path")}
        digest.update(json.dumps([facts, self.max_length], sort_keys=True, default=str).encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        tokenizer = getattr(self.tokenizer, "backend_tokenizer", None)
        if tokenizer is None:
            digest.update(json.dumps(self.tokenizer.get_vocab(), sort_keys=True).encode())
        else:
            described = json.loads(tokenizer.to_str()) | {"padding": None, "truncation": None}  # set anew by each call
            digest.update(json.dumps(described).encode())
        return digest.hexdigest()

    def n_tokens(self, text: str) -> int:
        """Return how many tokens ``text`` has, special tokens left out."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def logits(self, texts: Sequence[str], seconds: Sequence[str] | None = None) -> np.ndarray:
        """Return the logits of texts, or of pairs of ``texts`` and ``seconds``.

        Parameters
        ----------
        texts : sequence of str
        seconds : sequence of str, optional
            The second text of each pair. Of a pair that is too long the first text is cut.

        Returns
        -------
        ndarray of shape (n_texts, n_outputs), float32
        """
        sizes = [len(text) for text in texts]
        if seconds is not None:
            sizes = [size + len(second) for size, second in zip(sizes, seconds, strict=True)]
        order = sorted(range(len(texts)), key=lambda row: (-sizes[row], row))  # a batch pads to its longest text
        logits = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        start = 0
        with track(f"asking {self.name}", total=len(texts)) as advance:
            while start < len(order):
                rows = order[start : start + self.batch_size]
                try:
                    logits[rows] = self._forward(
                        [texts[row] for row in rows], None if seconds is None else [seconds[row] for row in rows]
                    )
                except torch.OutOfMemoryError:
                    if self.batch_size == 1:
                        raise
                    self.batch_size = max(1, self.batch_size // 2)
                    torch.cuda.empty_cache()
                    continue
                advance(len(rows))
                start += len(rows)
        return logits

    @torch.inference_mode()
    def _forward(self, texts: list[str], seconds: list[str] | None) -> np.ndarray:
        features = self.tokenizer(
            texts,
            seconds,
            truncation="longest_first" if seconds is None else "only_first",
            max_length=self.max_length,
            padding=True,
            return_tensors="pt",
        )
        # some tokenizers also give what their model does not take, such as token types
        inputs = {name: value.to(self.device) for name, value in features.items() if name in self._inputs}
        return self.model(**inputs).logits.float().cpu().numpy()


def is_sequence_folder(folder: str | Path) -> bool:
    """Return whether a folder's ``config.json`` names a sequence classifier of transformers.

    Examples
    --------
    >>> is_sequence_folder("nowhere")
    False
    """
    try:
        config = read_json(Path(folder) / "config.json", max_bytes=_LARGEST_CONFIG)
    except (FewshotError, OSError, RecursionError):
        return False
    architectures = config.get("architectures") if isinstance(config, dict) else None
    return isinstance(architectures, list) and any(str(name).endswith(_ARCHITECTURE) for name in architectures)


def _open(folder: Path) -> tuple[Any, Any]:
    if not folder.is_dir():
        raise SourceNotFoundError(f"no model folder {str(folder)!r}; give a local folder of a sequence classifier")
    if not is_sequence_folder(folder):
        raise ModelFormatError(f"{str(folder)!r} is no sequence classifier: its config.json names no …{_ARCHITECTURE}")
    if not list(folder.glob("model*.safetensors")):
        raise ModelFormatError(
            f"{str(folder)!r} holds no model.safetensors; pickles (pytorch_model.bin) are never opened: "
            "convert them to safetensors first"
        )
    model, tokenizer = open_whole(folder)
    _set_padding(model, tokenizer, folder)
    return model, tokenizer


def _set_padding(model: Any, tokenizer: Any, folder: Path) -> None:
    """Let texts of different lengths share a batch; GPT-2 and its kin were trained without padding."""
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise ModelFormatError(f"the tokenizer in {str(folder)!r} has no token to pad with (pad_token, eos_token)")
        tokenizer.pad_token = tokenizer.eos_token
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
