"""Encoders with whole parts taken out: smaller and faster, to be distilled afterwards.

The cutting itself is that of :mod:`fewshot.training.structure`, which the student ``"pruned:0.5"`` of distillation
takes, too. Single weights are pruned while a model trains (:mod:`fewshot.training.sparsity`).
"""

from collections.abc import Sequence

from fewshot.core.errors import InputError
from fewshot.encoders.base import Encoder, check_texts
from fewshot.encoders.resolve import unwrapped
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.training.structure import Reduction, reduce_model


def prune_encoder(
    encoder: Encoder,
    texts: Sequence[str] | None = None,
    *,
    share: float = 0.5,
    layers: int | None = None,
    importance: str = "taylor",
    random_state: int = 0,
) -> SentenceEncoder:
    """Take layers and feed-forward units out of a sentence encoder.

    Parameters
    ----------
    encoder : Encoder
        With a transformer of the families of BERT (MiniLM's, too), RoBERTa, XLM-RoBERTa, MPNet or DistilBERT. It is
        copied, not changed.
    texts : sequence of str, optional
        Unlabelled texts of the kind to be read; at most 128 of them decide what matters. Without them layers are kept
        evenly spaced, and units by their magnitude.
    share : float, default=0.5
        Share of the transformer's floating-point operations to save at least, above 0 and below 1.
    layers : int, optional
        Layers to keep; units go where this does not save enough. Default: of the ways to save that much, the one that
        keeps the vectors of the texts nearest before any training.
    importance : {"taylor", "magnitude"}, default="taylor"
        Which units stay: those without which the vectors of the texts would move farthest, to the first order (Michel
        et al. 2019, arXiv:1905.10650), or the largest.
    random_state : int, default=0
        Decides which texts are looked at, and the directions in which their vectors are watched.

    Returns
    -------
    SentenceEncoder
        Its vectors are as long as before, and far from as good until it is distilled: give it to
        ``DistillationTrainer(teacher, student=...)``. Its folder opens with plain sentence-transformers.

    Raises
    ------
    InputError
        If the encoder has no transformer of a known family, or that much cannot be saved.

    Notes
    -----
    Single attention heads stay: plain classes of transformers can hold fewer heads only if each becomes larger. They go
    with their layer, or with the width of the hidden states by the student ``"width:N"``.

    Examples
    --------
    >>> small = prune_encoder(load_encoder("bundled"), texts, share=0.5)  # doctest: +SKIP
    >>> DistillationTrainer(teacher, student=small).fit(texts).student_  # doctest: +SKIP
    """
    reduction = Reduction(share, layers, importance)
    whole = unwrapped(encoder)
    if not isinstance(whole, SentenceEncoder):
        raise InputError(f"encoder {encoder.name!r} is no transformer, so there are no layers to prune")
    if texts is not None:
        check_texts(texts)
    return whole.like(reduce_model(whole.trainable_copy(), texts, reduction, random_state=random_state))
