"""Domain adaptation: an encoder learns the language of a pool of unlabelled texts before anybody labels one."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from sentence_transformers import SentenceTransformer
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from fewshot.adaptation.folder import AdaptedContent, write_adapted
from fewshot.adaptation.held_out import mean_cosine
from fewshot.adaptation.settings import OBJECTIVES, check_objective, check_share, make_schedule
from fewshot.adaptation.starting import ObjectiveSettings, adapted_encoder, make_objective, open_base
from fewshot.adaptation.texts import AdaptationTexts, split_texts
from fewshot.adaptation.training import TrainedObjective, train_objective
from fewshot.adaptation.verdict import Verdict
from fewshot.core.errors import InputError
from fewshot.encoders.base import Encoder
from fewshot.encoders.blending import mixed_weights
from fewshot.encoders.resolve import DEFAULT_TEACHER
from fewshot.encoders.sentence import PRECISIONS
from fewshot.training.schedule import Schedule
from fewshot.training.seeding import check_random_state, seeded


class DomainAdapter(BaseEstimator):
    """Adapt an encoder to a domain on unlabelled text.

    Parameters
    ----------
    encoder : str, Path, Encoder or SentenceTransformer, default="sentence-transformers/paraphrase-mpnet-base-v2"
        A transformer; it stays as it is. For ``"mlm"`` a folder or Hub id.
    objective : {"auto", "mlm", "simcse", "tsdae"}, default="auto"
        ``"mlm"``: masked-language modelling, for a model whose folder holds a masked-LM head, such as BERT's.
        ``"simcse"``: two passes of a text under dropout shall be nearer to each other than to other texts.
        ``"tsdae"``: a decoder, thrown away afterwards, shall tell a text from the vector of a copy without most of its
        tokens. ``"auto"``: ``"mlm"`` where the encoder's folder holds such a head, else ``"tsdae"``, and ``"simcse"``
        for models that cannot decode, such as MPNet.
    steps : int, optional
        Optimizer steps. Default: three passes over the texts, at most 50 steps (``"mlm"``: 2,000).
    epochs : int, optional
        Passes over the texts, instead of ``steps``.
    batch_size : int, optional
        Texts a step. Default: 32.
    learning_rate : float, optional
        Peak learning rate. Default: 1e-5 for ``"simcse"``, 3e-5 for ``"tsdae"``, 5e-5 for ``"mlm"``.
    temperature : float, default=0.05
        Of ``"simcse"``.
    mask_probability : float, optional
        Share of the tokens that are hidden: masked by ``"mlm"`` (default 0.15), deleted by ``"tsdae"`` (default 0.6).
    whole_word : bool, default=False
        Whether ``"mlm"`` hides all tokens of a word together.
    new_head : bool, default=False
        Let ``"mlm"`` train a head that starts at random where the encoder has none.
    share : float, optional
        How far to go from the weights as they were (0) to the trained ones (1); in between, what the encoder knew
        before is kept in part. Default: 1 for ``"mlm"``, else 0.5.
    max_length : int, optional
        Tokens read of a text while training; the adapted encoder reads as many as before. Default: the encoder's own.
    device : str, optional
        ``"cpu"``, ``"cuda"``, ``"mps"``. Default: the fastest there is.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        What training and encoding compute in; weights stay float32.
    random_state : int, default=0
        Decides batches, dropout, what is hidden and all weights that start at random.

    Attributes
    ----------
    encoder_ : SentenceEncoder
        The adapted encoder; where adaptation did harm, the one it started from, and ``report_`` says so.
    losses_ : list of float
        Loss of each step.
    curve_ : list of dict
        Of each look at the held-out texts: ``step`` and ``held_out_loss``.
    report_ : dict
        ``objective``, ``kept`` (``"adapted"`` or ``"frozen"``), ``loss_before`` and ``loss_after`` (of the objective on
        held-out texts; ``None`` without these; that of ``"tsdae"`` begins with an untrained decoder, so that it falls
        in any case), ``mean_cosine_before`` and ``mean_cosine_after`` (of all pairs of held-out texts), ``steps``,
        ``kept_step`` (of the lowest held-out loss, whose weights were kept), ``share``, ``n_texts``, ``n_held_out``,
        ``text_hash`` and ``notes``.

    Notes
    -----
    Compare before you keep it. A sentence encoder such as ``bundled``, trained by contrast on a billion pairs, has
    little to learn here. Accuracy in % of a logistic probe / of 5 nearest neighbours on its vectors, 8 texts a class
    (mean of three samples), 1,000 other texts, all of train splits, 2,000 unlabelled texts, 50 steps of 32:

    ======================================  ============  ============
    encoder                                 AG News       Emotion
    ======================================  ============  ============
    ``bundled`` as it is                    76.0 / 73.4   34.0 / 30.1
    ``"tsdae"``, 3e-5, share 1              76.5 / 72.9   33.4 / 30.9
    ``"tsdae"``, 3e-5, share 0.5            76.4 / 73.8   33.9 / 31.0
    ``"simcse"``, 3e-5, share 1                           33.0 / 28.7
    ``"simcse"``, 3e-5, share 0.5                         33.6 / 29.4
    ======================================  ============  ============

    The samples' standard deviation is 1 to 4 points, so that ``"tsdae"`` does neither harm nor clear good; ``"simcse"``
    does harm, and its held-out loss, 0.0002 before the first step, says why: nothing is left to learn.

    References
    ----------
    Gururangan et al. 2020, "Don't Stop Pretraining", arXiv:2004.10964 (``"mlm"``). Gao, Yao, Chen 2021, "SimCSE",
    arXiv:2104.08821. Wang, Reimers, Gurevych 2021, "TSDAE", arXiv:2104.06979. Weights in between: Wortsman et al. 2022,
    "Robust fine-tuning of zero-shot models", arXiv:2109.01903.

    Examples
    --------
    >>> adapter = DomainAdapter("bundled", objective="simcse", random_state=0)  # doctest: +SKIP
    >>> adapter.fit(unlabeled_texts).save("runs/adapted")  # doctest: +SKIP
    """

    def __init__(
        self,
        encoder: str | Path | Encoder | SentenceTransformer = DEFAULT_TEACHER,
        *,
        objective: str = "auto",
        steps: int | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        temperature: float = 0.05,
        mask_probability: float | None = None,
        whole_word: bool = False,
        new_head: bool = False,
        share: float | None = None,
        max_length: int | None = None,
        device: str | None = None,
        precision: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.encoder = encoder
        self.objective = objective
        self.steps = steps
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.temperature = temperature
        self.mask_probability = mask_probability
        self.whole_word = whole_word
        self.new_head = new_head
        self.share = share
        self.max_length = max_length
        self.device = device
        self.precision = precision
        self.random_state = random_state

    def fit(
        self,
        texts: Sequence[str],
        *,
        checkpoints: str | Path | None = None,
        resume: bool = False,
        validation: Sequence[str] | None = None,
    ) -> Self:
        """Adapt a copy of the encoder.

        Parameters
        ----------
        texts : sequence of str
            The pool, at least 8 different texts; equal ones count once. A :class:`~fewshot.data.pool.Pool` stays on
            disk. Time and memory are linear in it.
        checkpoints : str or Path, optional
            A folder private to this run, where checkpoints are written; the caller removes it.
        resume : bool, default=False
            Go on from the newest whole checkpoint, to the same encoder, bit by bit, as without a break.
        validation : sequence of str, optional
            Texts to judge by; none of them is learnt from. Default: a twentieth of ``texts``, at least 10 and at most
            500; none of fewer than 50.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If there are too few texts, arguments do not fit together or the objective does not suit the encoder, or the
            checkpoints belong to another run.

        Warns
        -----
        DataWarning
            If there are fewer than 50 different texts.
        """
        self._check()
        split = split_texts(texts, validation)
        with seeded(self.random_state):  # a model may be opened with weights that its folder has not
            base = open_base(self.encoder, device=self.device, precision=self.precision)
            name, objective = make_objective(self.objective, self.encoder, base, self._objective_settings())
        frozen = {key: tensor.detach().cpu().clone() for key, tensor in objective.adapted.state_dict().items()}
        trained = train_objective(
            objective,
            split,
            self._schedule(name, len(split.rows)),
            precision=self.precision,
            random_state=self.random_state,
            checkpoints=None if checkpoints is None else Path(checkpoints),
            resume=resume,
        )
        share = OBJECTIVES[name].share if self.share is None else self.share
        if share < 1:
            objective.adapted.load_state_dict(mixed_weights(frozen, objective.adapted.state_dict(), share))
        self.losses_, self.curve_ = trained.losses, trained.curve
        self.encoder_ = adapted_encoder(base, objective)
        cosines = [mean_cosine(encoder.encode(split.probes())) for encoder in (base, self.encoder_)]
        verdict = Verdict(name, trained.before, trained.after, *cosines)
        self._start = Path(base.name).name if Path(base.name).is_dir() else base.name  # no path of this machine
        if verdict.reason is None:
            self.encoder_.name = f"{self._start}, adapted by {name}"
        else:
            objective.adapted.load_state_dict(frozen)
            self.encoder_ = adapted_encoder(base, objective)
        self._masked = objective.adapted if name == "mlm" else None
        self.report_ = {**_report(verdict, trained, split), "share": share}
        return self

    def save(self, folder: str | Path, *, provenance: dict[str, Any] | None = None) -> None:
        """Write the adapted encoder as a folder, whole or not at all.

        ``SentenceTransformer(folder)``, ``load_encoder(folder)`` and, after ``"mlm"``, transformers'
        ``AutoModelForMaskedLM.from_pretrained(folder)`` open it; so every method takes it as its encoder. Beside the
        weights lie ``adaptation.json`` (settings, versions, hash of the texts, losses), a model card without any of the
        texts, and a picture of the losses.

        Parameters
        ----------
        folder : str or Path
            Replaced if it holds an adapted encoder.
        provenance : dict, optional
            Further facts for ``adaptation.json``, of JSON values.

        Raises
        ------
        InputError
            If ``folder`` is a file or holds something else.
        """
        if not hasattr(self, "report_"):
            raise NotFittedError("this DomainAdapter is not fitted yet; call fit(texts) first")
        settings = {name: value for name, value in self.get_params().items() if name not in ("encoder", "device")}
        content = AdaptedContent(
            self.encoder_,
            self._masked,
            self._start,
            self.report_,
            settings,
            provenance or {},
            self.losses_,
            self.curve_,
        )
        write_adapted(folder, content)

    def _check(self) -> None:
        check_random_state(self.random_state)
        check_objective(self.objective)
        if self.precision not in PRECISIONS:
            raise InputError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}")
        check_share(self.share)

    def _objective_settings(self) -> ObjectiveSettings:
        names = [field.name for field in dataclasses.fields(ObjectiveSettings)]
        return ObjectiveSettings(**{name: getattr(self, name) for name in names})

    def _schedule(self, name: str, n_texts: int) -> Schedule:
        return make_schedule(
            name,
            n_texts,
            steps=self.steps,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
        )


def _report(verdict: Verdict, trained: TrainedObjective, split: AdaptationTexts) -> dict[str, Any]:
    return {
        "objective": verdict.objective,
        "kept": "adapted" if verdict.reason is None else "frozen",
        "loss_before": verdict.loss_before,
        "loss_after": verdict.loss_after,
        "mean_cosine_before": verdict.cosine_before,
        "mean_cosine_after": verdict.cosine_after,
        "steps": len(trained.losses),
        "kept_step": trained.kept_step,
        "n_texts": len(split.texts),
        "n_held_out": len(split.held_out),
        "text_hash": split.content_hash,
        "notes": verdict.notes,
    }
