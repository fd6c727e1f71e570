"""Embedding look-up: the labels of the nearest training texts vote."""

from collections.abc import Sequence
from functools import partial
from numbers import Integral
from typing import Any, overload

import numpy as np

from fewshot.classifiers.base import EmbeddingClassifier
from fewshot.classifiers.explanation import Explanation, Neighbor
from fewshot.classifiers.folder import ModelContent
from fewshot.classifiers.kept_texts import pack_texts, unpack_texts
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.data.labels import LabelSpace
from fewshot.encoders.base import check_texts
from fewshot.encoders.resolve import DEFAULT_TEACHER
from fewshot.heads.cells import Cells
from fewshot.heads.index import METRICS, VectorIndex, check_kind
from fewshot.heads.vectors import threshold_from
from fewshot.heads.votes import (
    ROUNDING,
    WEIGHTS,
    best_cell,
    cosine_weights,
    count_votes,
    distance_weights,
    score_grid,
)

MOST_JUDGED = 10_000
TEXTS_AT_ONCE = 16_384


class KNNClassifier(EmbeddingClassifier):
    """k nearest neighbours among the vectors of the training texts.

    Parameters
    ----------
    encoder : str, Path, Encoder or SentenceTransformer
        Default: the Hub's ``sentence-transformers/paraphrase-mpnet-base-v2``; ``"bundled"`` needs no network.
        See :func:`fewshot.encoders.resolve.load_encoder`.
    k : int, optional
        Number of neighbours. Default: the best of 1 to ``max_k`` on the validation data, or by leave-one-out on the
        training texts (10,000 of them, where there are more) when there is none.
    max_k : int, default=16
        The largest ``k`` to try.
    threshold : float, optional
        Multi-label only: share of the votes from which a label applies, above 0 and at most 1. Default: the best
        ``m / k``, m from 1 to k, chosen together with ``k``.
    metric : {"cosine", "l2"}, default="cosine"
        How near texts are: the cosine of their vectors, or the Euclidean distance of the vectors as the encoder gives
        them, not brought to length 1.
    weights : {"distance", "uniform"}, default="distance"
        What a vote weighs. ``"distance"``: the cosine, or with ``"l2"`` the inverse of the distance; nearer neighbours
        so break ties. ``"uniform"``: all the same, and a tie of classes falls to the one that comes first in
        ``classes_``, as in scikit-learn.
    index : {"auto", "exact", "approximate"}, default="auto"
        Whether all training vectors are compared, or those in likely cells. ``"auto"`` compares up to 50,000.
    keep_texts : bool, default=False
        Keep the training texts for :meth:`explain`, in memory and in the model directory. Otherwise neither holds
        them, only row numbers.
    device : str, optional
        Where the encoder runs.

    Attributes
    ----------
    k_ : int
    threshold_ : float
        Multi-label only: share of the votes from which a label applies.
    grid_ : ndarray of shape (largest k, largest k), or (largest k, 1) in single-label tasks
        Scores of what was tried: ``grid_[k - 1, m - 1]`` is the micro-F1 where m of k votes suffice; in
        single-label tasks ``grid_[k - 1, 0]`` is the accuracy. NaN where nothing was tried. See
        :func:`fewshot.evaluation.charts.grid_plot.plot_knn_grid`.
    index_ : VectorIndex
        The training vectors, to be searched.
    y_ : ndarray of shape (n_texts, n_classes)
        Labels of the training texts as 0/1.
    texts_ : list of str or None

    Notes
    -----
    Among equal scores the k nearest to 5 is taken, and the threshold nearest to one half.

    There is no ``augment`` here: a copy lies by its text and has its label, so that k neighbours are one text and its
    copies. On train-split texts of AG News, Emotion and TREC (4, 8 and 16 a class, three samples each, the bundled
    encoder) four copies a text changed nothing at k=1 (45.8 %) and cost 1.5 points at k=3 and 2.8 at k=5.

    References
    ----------
    Cover, Hart 1967, "Nearest Neighbor Pattern Classification", IEEE Transactions on Information Theory 13. Choosing
    k and m together follows Tunstall, von Werra, Wolf 2022, "Natural Language Processing with Transformers", chapter 9.

    Examples
    --------
    >>> KNNClassifier(encoder="bundled", metric="l2", keep_texts=True).get_params()["metric"]
    'l2'
    """

    kind = "knn"

    def __init__(
        self,
        encoder: Any = DEFAULT_TEACHER,
        *,
        k: int | None = None,
        max_k: int = 16,
        threshold: float | None = None,
        metric: str = "cosine",
        weights: str = "distance",
        index: str = "auto",
        keep_texts: bool = False,
        device: str | None = None,
    ) -> None:
        self.encoder = encoder
        self.k = k
        self.max_k = max_k
        self.threshold = threshold
        self.metric = metric
        self.weights = weights
        self.index = index
        self.keep_texts = keep_texts
        self.device = device

    def _learn(
        self, texts: list[str], y: np.ndarray, space: LabelSpace, validation: tuple[list[str], np.ndarray] | None
    ) -> None:
        self.encoder_ = self._open_encoder()
        self.takes_unit_vectors = self.metric == "cosine"
        self._set_rows(VectorIndex(self._embed(texts), metric=self.metric, kind=self.index), _as_matrix(y, space))
        self.texts_ = list(texts) if self.keep_texts else None
        if validation is None:
            judged = self._rows_to_judge()
            similarities, rows = self.index_.search_others(judged, self.k or self.max_k)
            truth = self.y_[judged]
        else:
            similarities, rows = self.index_.search(self._embed(validation[0]), self.k or self.max_k)
            truth = _as_matrix(validation[1], space)
        self._choose(similarities, rows, truth, space.multi_label)

    @property
    def X_(self) -> np.ndarray:  # noqa: N802 - the field's name
        """Vectors of the training texts ``(n_texts, dimension)``; of length 1 with the metric ``"cosine"``."""
        return self.index_.X

    def check_params(self) -> None:
        """Raise :class:`~fewshot.core.errors.InputError` if a parameter is out of its range."""
        for name in ("k", "max_k"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, Integral) or value < 1):
                raise InputError(f"{name} must be at least 1 and a whole number, got {value!r}")
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise InputError(f"threshold must be above 0 and at most 1, got {self.threshold}")
        for name, known in (("metric", METRICS), ("weights", WEIGHTS)):
            if getattr(self, name) not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}")
        check_kind(self.index)

    def _set_rows(self, index: VectorIndex, y: np.ndarray) -> None:
        self.index_, self.y_ = index, y
        self._length = float(np.sqrt(np.mean(np.einsum("nd,nd->n", index.X, index.X))))

    def _rows_to_judge(self) -> np.ndarray:
        """Return all rows, or many evenly spread ones where there are too many to look up each."""
        n = len(self.index_)
        return np.linspace(0, n - 1, min(n, MOST_JUDGED)).round().astype(np.int64)

    def _choose(self, similarities: np.ndarray, rows: np.ndarray, truth: np.ndarray, multi_label: bool) -> None:
        k = None if self.k is None else min(self.k, rows.shape[1]) or None
        self.grid_ = score_grid(
            *(self.y_, rows, self._weights(similarities), truth),
            multi_label=multi_label,
            k=k,
            threshold=self.threshold,
        )
        best, m = best_cell(self.grid_) or (1, 1)
        self.k_ = best if self.k is None else min(self.k, len(self.index_))
        self.threshold_ = (m / best if multi_label else 0.5) if self.threshold is None else self.threshold

    def _weights(self, similarities: np.ndarray) -> np.ndarray:
        """Return what the votes of neighbours weigh, by how similar they are."""
        if self.weights == "uniform":
            return np.ones(similarities.shape)
        if self.metric == "cosine":
            return cosine_weights(similarities)
        return distance_weights(-similarities, self._length)

    def _probabilities(self, texts: list[str]) -> np.ndarray:
        # In parts, since the vectors of a million texts take more room than the votes.
        parts = [texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE)]
        return np.concatenate([self.probabilities_from(self._embed(part)) for part in parts])

    def probabilities_from(self, X: np.ndarray) -> np.ndarray:
        """Return each class's share of the neighbours' votes ``(n, n_classes)``, for vectors ``(n, dimension)``.

        Vectors have length 1 with the metric ``"cosine"``; see :meth:`head_input`.
        """
        similarities, rows = self.index_.search(X, self.k_)
        return self._shares(rows, self._weights(similarities))

    def _shares(self, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return count_votes(self.y_, rows, weights) / weights.sum(axis=1, keepdims=True)

    def predict(self, texts: Sequence[str], *, at_least_one: bool = False) -> Any:
        """Return the label of each text.

        A million texts take no more memory than their labels and 16,384 rows of votes.

        Parameters
        ----------
        texts : sequence of str
        at_least_one : bool, default=False
            In multi-label tasks, give the label with most votes to a text where none has enough.

        Returns
        -------
        ndarray of shape (n_texts,), or list of tuples
            The class with most of the votes; in multi-label tasks a tuple of all labels whose share of the votes
            reaches ``threshold_``, possibly none.
        """
        self._check_fitted()
        check_texts(texts)
        starts = range(0, max(1, len(texts)), TEXTS_AT_ONCE)
        answer = partial(super().predict, at_least_one=at_least_one)
        parts = [answer(texts[start : start + TEXTS_AT_ONCE]) for start in starts]
        return [row for part in parts for row in part] if self.label_space_.multi_label else np.concatenate(parts)

    @overload
    def explain(self, texts: str) -> Explanation: ...  # type: ignore[overload-overlap]  # a str is a sequence of str

    @overload
    def explain(self, texts: Sequence[str]) -> list[Explanation]: ...

    def explain(self, texts: str | Sequence[str]) -> Explanation | list[Explanation]:
        """Return the neighbours that decide on a text, or on each of several.

        Parameters
        ----------
        texts : str or sequence of str

        Returns
        -------
        Explanation, or list of Explanation
            One for one text. Row numbers, labels, similarities and shares of the vote of ``k_`` neighbours, and with
            ``keep_texts=True`` their texts; it prints as a table.
        """
        self._check_fitted()
        if isinstance(texts, str):
            return self.explain([texts])[0]
        check_texts(texts)
        if not len(texts):
            return []
        similarities, rows = self.index_.search(self._embed(texts), self.k_)
        weights = self._weights(similarities)
        probabilities = self._shares(rows, weights)
        shares = weights / weights.sum(axis=1, keepdims=True)
        neighbors = [
            tuple(map(self._neighbor, *line)) for line in zip(rows.tolist(), similarities, shares, strict=True)
        ]
        answers = map(_plain, self.labels_from(probabilities))
        return list(map(Explanation, answers, self.confidence_of(probabilities).tolist(), neighbors))

    def _neighbor(self, row: int, similarity: float, share: float) -> Neighbor:
        labels = tuple(self.label_space_.classes[i] for i in np.flatnonzero(self.y_[row]))
        label = labels if self.label_space_.multi_label else labels[0]
        return Neighbor(row, label, float(similarity), float(share), self.texts_[row] if self.texts_ else None)

    @property
    def _threshold(self) -> float:
        return self.threshold_ - ROUNDING

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {"X": self.index_.X, "y": self.y_, "grid": self.grid_}
        arrays |= self.index_.cells.state() if self.index_.cells else {}
        arrays |= pack_texts(self.texts_) if self.texts_ is not None else {}
        return arrays, {"k": self.k_, "threshold": self.threshold_}

    def _restore_head(self, content: ModelContent) -> None:
        arrays, k = content.arrays, int(content.settings["k"])
        threshold = float(threshold_from(content.settings["threshold"]))
        X, y, texts = arrays["X"].astype(np.float32), arrays["y"].astype(np.uint8), unpack_texts(arrays)
        fits = X.ndim == 2 and X.size and y.shape == (len(X), len(self.classes_)) and 1 <= k <= len(X)
        labeled = y.max(initial=0) <= 1 and (self.label_space_.multi_label or (y.sum(axis=-1) == 1).all())
        if not fits or not labeled or not np.isfinite(X).all() or (texts is not None and len(texts) != len(X)):
            n_texts = "" if texts is None else f" and {len(texts)} texts"
            raise ModelFormatError(
                f"the head is damaged: X {X.shape}, y {y.shape}, k {k}{n_texts} do not fit each other"
            )
        self.takes_unit_vectors = self.metric == "cosine"
        cells = Cells.from_state(X, self.metric, arrays)
        kind = "approximate" if cells else "exact"
        self._set_rows(VectorIndex(X, metric=self.metric, kind=kind, cells=cells), y)
        self.k_, self.threshold_, self.grid_, self.texts_ = k, threshold, arrays["grid"], texts


def _as_matrix(y: np.ndarray, space: LabelSpace) -> np.ndarray:
    """Return class numbers as a 0/1 matrix, which multi-label tasks have already."""
    return (y if y.ndim == 2 else y[:, None] == np.arange(len(space.classes))).astype(np.uint8)


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label
