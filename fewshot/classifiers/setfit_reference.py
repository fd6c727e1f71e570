"""The package ``setfit`` itself, as one of our classifiers: what ours is compared with, by the same judge.

Pairs, loss, schedule and head are setfit's own, run by its ``Trainer`` with its defaults. What is added is what a fair
comparison needs: seeds that end with the training, silence, no files left behind, and a model that saves without a
pickle.
"""

import contextlib
import dataclasses
import tempfile
import time
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.encoders.resolve import DEFAULT_TEACHER, unwrapped
from fewshot.heads.linear import LinearHead
from fewshot.interop.setfit_folder import from_setfit

if TYPE_CHECKING:
    from fewshot.encoders.sentence import SentenceEncoder

SAMPLING = ("oversampling", "undersampling", "unique")


class SetFitReferenceClassifier(LinearProbeClassifier):
    """SetFit as the package ``setfit`` trains it, for comparison.

    Parameters
    ----------
    encoder : str, Path, Encoder or SentenceTransformer
        The sentence encoder to start from; it is copied, not changed. Default: the Hub's
        ``sentence-transformers/paraphrase-mpnet-base-v2``; ``"bundled"`` needs no network.
    num_iterations : int, optional
        Pairs a text, as in the paper (20); default: what ``sampling_strategy`` gives.
    sampling_strategy : {"oversampling", "undersampling", "unique"}, default="oversampling"
    batch_size : int, default=16
        Pairs a step, at least 2.
    num_epochs : int, default=1
    max_steps : int, optional
        At most so many steps; default: no bound. setfit makes pairs for the epoch first, a number that grows with the
        square of the texts.
    learning_rate : float, default=2e-5
        Peak learning rate of the encoder.
    normalize_embeddings : bool, default=False
        Whether its head takes vectors of length 1. By default it takes them as the encoder gives them, which differs
        only for encoders that do not normalize.
    device : str, optional
        Where to predict; default: the fastest there is. setfit trains on the fastest, whatever this says.
    random_state : int, default=0
        setfit's ``seed``. Its pairs are the same for every seed; their order and dropout are not.

    Attributes
    ----------
    encoder_ : SentenceEncoder
        The trained encoder.
    head_ : LinearHead
        setfit's logistic regression (C=1), as a plain value.
    train_seconds_ : float
        Time of the contrastive training, with the making of pairs.
    head_seconds_ : float
        Time of the head, with the encoding of the training texts.
    takes_unit_vectors : bool
        Whether the head takes vectors of length 1.

    Notes
    -----
    Multi-label tasks are trained one-vs-rest. A label that all training texts have makes no pairs and is predicted
    always; where it is the first label, scikit-learn compares all logits with 0.5 instead of 0, and so do we. Where any
    two texts share a label, setfit has no pairs to push apart and would stop; the encoder then stays as it is.

    References
    ----------
    Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts", arXiv:2209.11055.

    Examples
    --------
    >>> SetFitReferenceClassifier(encoder="bundled", num_iterations=20).get_params()["batch_size"]
    16
    """

    kind = "setfit-reference"

    def __init__(
        self,
        encoder: Any = DEFAULT_TEACHER,
        *,
        num_iterations: int | None = None,
        sampling_strategy: str = "oversampling",
        batch_size: int = 16,
        num_epochs: int = 1,
        max_steps: int | None = None,
        learning_rate: float = 2e-5,
        normalize_embeddings: bool = False,
        device: str | None = None,
        random_state: int = 0,
    ) -> None:
        super().__init__(encoder, device=device, random_state=random_state)
        self.num_iterations = num_iterations
        self.sampling_strategy = sampling_strategy
        self.batch_size = batch_size
        self.num_epochs = num_epochs
        self.max_steps = max_steps
        self.learning_rate = learning_rate
        self.normalize_embeddings = normalize_embeddings

    def _learn(
        self, texts: list[str], y: np.ndarray, space: LabelSpace, validation: tuple[list[str], np.ndarray] | None
    ) -> None:
        from fewshot.encoders.sentence import SentenceEncoder
        from fewshot.training.seeding import seeded

        base = unwrapped(self._open_encoder())
        if not isinstance(base, SentenceEncoder):
            raise InputError(f"encoder {base.name!r} cannot be trained; SetFit needs a sentence-transformers model")
        with seeded(self.random_state), _quiet():
            model = self._trained(base, texts, y, space.multi_label)
            body, content = from_setfit(model)
        self.encoder_ = SentenceEncoder(
            body, name=base.name, device=base.device, precision=base.precision, batch_size=base.batch_size
        )
        assert isinstance(content.head, LinearHead)
        n_classes = len(space.classes)
        self.head_ = dataclasses.replace(
            content.head, coef=content.head.coef[:n_classes], intercept=content.head.intercept[:n_classes]
        )
        lengths = np.linalg.norm(self.encoder_.encode(texts[:8]), axis=1)
        self.takes_unit_vectors = self.normalize_embeddings or _are_units(lengths)

    def check_params(self) -> None:
        """Raise :class:`~fewshot.core.errors.InputError` if a parameter is out of its range."""
        super().check_params()
        least = {"batch_size": 2, "num_epochs": 1, "num_iterations": 1, "max_steps": 1}
        for name, minimum in least.items():
            value, optional = getattr(self, name), name in ("num_iterations", "max_steps")
            if not (value is None and optional) and not (isinstance(value, (int, np.integer)) and value >= minimum):
                raise InputError(f"{name} must be an integer of at least {minimum}, got {value!r}")
        if not self.learning_rate > 0:
            raise InputError(f"learning_rate must be above 0, got {self.learning_rate}")
        if self.sampling_strategy not in SAMPLING:
            raise InputError(f"sampling_strategy must be one of {', '.join(SAMPLING)}, got {self.sampling_strategy!r}")

    def _trained(self, base: "SentenceEncoder", texts: list[str], y: np.ndarray, multi_label: bool) -> Any:
        """Return a SetFitModel, trained on a copy of the encoder's model; the times are kept."""
        from setfit import SetFitModel, Trainer, TrainingArguments
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier

        head: Any = OneVsRestClassifier(LogisticRegression()) if multi_label else LogisticRegression()
        model = SetFitModel(
            model_body=base.trainable_copy(),
            model_head=head,
            multi_target_strategy="one-vs-rest" if multi_label else None,
            normalize_embeddings=self.normalize_embeddings,
        )
        with tempfile.TemporaryDirectory(prefix="fewshot-") as folder:
            args = TrainingArguments(
                output_dir=folder,
                batch_size=(self.batch_size, 2),
                num_epochs=(self.num_epochs, 16),
                max_steps=-1 if self.max_steps is None else self.max_steps,
                num_iterations=self.num_iterations,
                sampling_strategy=self.sampling_strategy,
                body_learning_rate=(self.learning_rate, 1e-5),
                seed=int(self.random_state),
                show_progress_bar=False,
                report_to="none",
                logging_strategy="no",
                save_strategy="no",
            )
            # No train_dataset: the trainer would collect training texts from it for a model card.
            trainer = _silenced(Trainer(model=model, args=args))
            started = time.perf_counter()
            if (pair_labels := _pair_labels(y)) is not None:
                trainer.train_embeddings(texts, pair_labels.tolist(), args=args)
            trained = time.perf_counter()
        model.model_body.eval()
        # One column alone would be no multi-label task to scikit-learn; its twin is dropped from the head.
        trainer.train_classifier(texts, (np.hstack([y, y]) if y.shape[1:] == (1,) else y).tolist(), args=args)
        self.train_seconds_, self.head_seconds_ = trained - started, time.perf_counter() - trained
        return model


def _are_units(lengths: np.ndarray) -> bool:
    return bool(np.allclose(lengths, 1.0, atol=1e-3))  # bfloat16 rounds to about 0.4 %, its normalization to less


def _pair_labels(y: np.ndarray) -> np.ndarray | None:
    """Return the labels that setfit makes pairs from: all that tell texts apart, ``None`` where it would find no pair.

    A label that every text has would make every pair a positive one, and setfit fails where one kind is missing.
    """
    if y.ndim == 1:
        return y
    y = y[:, y.min(axis=0) < y.max(axis=0)]
    return y if y.size and (y @ y.T == 0).any() else None


def _silenced(trainer: Any) -> Any:
    """Take off what prints, and what warns on machines without a GPU."""
    import torch
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    inner = trainer.st_trainer
    inner.args.disable_tqdm = True
    inner.args.dataloader_pin_memory = torch.cuda.is_available()
    for callback in (PrinterCallback, ProgressCallback):
        inner.remove_callback(callback)
    return trainer


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep setfit's log to errors, and hold back the two warnings that its defaults bring about."""
    from setfit import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message=r"Label .* is present in all training examples", category=UserWarning)
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)
