"""What a sentence-transformers model reads of a long text: how much at once, and window after window."""

import itertools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from fewshot.core.errors import InputError
from fewshot.encoders.windows import Window, WindowCutter, average_windows

_NO_LIMIT = 10**9  # a tokenizer that knows no limit says a number far beyond this


def window_length(model: SentenceTransformer) -> int | None:
    """Return how many tokens ``model`` reads at once, special tokens included; ``None`` where there is no limit."""
    length = model.max_seq_length
    return int(length) if length is not None and length < _NO_LIMIT else None


def fast_tokenizer(model: SentenceTransformer) -> Tokenizer | None:
    """Return the fast tokenizer of ``model``, or ``None`` where it has none."""
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", model.tokenizer)
    return tokenizer if isinstance(tokenizer, Tokenizer) else None


def make_cutter(model: SentenceTransformer, max_chunks: int) -> WindowCutter | None:
    """Return what cuts texts into windows for ``model``; ``None`` if nothing is too long for it, or it cannot be done.

    It cannot be done without a fast tokenizer, or where texts are cut on the left.
    """
    length, tokenizer = window_length(model), fast_tokenizer(model)
    if length is None or tokenizer is None or getattr(model.tokenizer, "truncation_side", "right") != "right":
        return None
    return WindowCutter(tokenizer, length, max_chunks)


def check_max_length(model: SentenceTransformer, max_length: int) -> None:
    """Raise :class:`InputError` unless windows of ``max_length`` tokens hold some text and fit into ``model``."""
    tokenizer = fast_tokenizer(model)
    least = 1 + (tokenizer.num_special_tokens_to_add(is_pair=False) if tokenizer else 0)
    most = _n_positions(model)
    if max_length < least or (most is not None and max_length > most):
        limit = f"at least {least}" if max_length < least else f"at most {most}"
        raise InputError(f"max_length must be {limit} for this model, got {max_length}")


def _n_positions(model: SentenceTransformer) -> int | None:
    for name, module in model.named_modules():
        if name.endswith(("position_embeddings", "wpe")) and isinstance(module, torch.nn.Embedding):  # wpe: GPT-2's
            # RoBERTa and its kin count positions from the one after padding's.
            return module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
    return None


def add_windows(
    model: SentenceTransformer,
    cutter: WindowCutter,
    texts: Sequence[str],
    firsts: np.ndarray,
    *,
    batch_size: int,
    autocast: Callable[[], AbstractContextManager[Any]],
) -> np.ndarray:
    """Return the vectors of texts of any length.

    Parameters
    ----------
    model : SentenceTransformer
    cutter : WindowCutter
        For this model; see :func:`make_cutter`.
    texts : sequence of str
    firsts : ndarray of shape (n_texts, dimension)
        What the model makes of them when it truncates: the vectors of their first windows.
    batch_size : int
        Windows a forward pass.
    autocast : callable
        Gives the context in which to compute.

    Returns
    -------
    ndarray of shape (n_texts, dimension)
        For a text of one window its row of ``firsts``; for others :func:`average_windows` of all.
    """
    prompt = model.prompts.get(model.default_prompt_name or "") or ""
    cut = cutter.cut([prompt + text for text in texts])
    later = [window for windows in cut for window in windows[1:]]
    vectors = iter(_forward(model, later, firsts.shape[1], batch_size, autocast))
    result = firsts.copy()
    for i, windows in enumerate(cut):
        if len(windows) > 1:
            own = np.stack([firsts[i], *itertools.islice(vectors, len(windows) - 1)])
            result[i] = average_windows(own, np.array([window.n_text_tokens for window in windows]))
    return result


@torch.inference_mode()
def _forward(
    model: SentenceTransformer,
    windows: list[Window],
    dimension: int,
    batch_size: int,
    autocast: Callable[[], AbstractContextManager[Any]],
) -> np.ndarray:
    vectors = np.empty((len(windows), dimension), dtype=np.float32)
    order = sorted(range(len(windows)), key=lambda i: (-len(windows[i]), i))
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        with autocast():
            output = model(_features(model, [windows[i] for i in batch]))["sentence_embedding"]
        vectors[batch] = output[:, :dimension].float().cpu().numpy()
    return vectors


def _features(model: SentenceTransformer, windows: list[Window]) -> dict[str, torch.Tensor]:
    tokenizer = model.tokenizer
    shape = (len(windows), max(map(len, windows)))
    ids, types, mask = np.full(shape, tokenizer.pad_token_id or 0), np.zeros(shape, int), np.zeros(shape, int)
    for row, window in enumerate(windows):
        place = slice(shape[1] - len(window), None) if tokenizer.padding_side == "left" else slice(len(window))
        ids[row, place], types[row, place], mask[row, place] = window.ids, window.type_ids, 1
    features = {"input_ids": ids, "attention_mask": mask}
    if "token_type_ids" in tokenizer.model_input_names:
        features["token_type_ids"] = types
    return {name: torch.from_numpy(array).to(model.device) for name, array in features.items()}
