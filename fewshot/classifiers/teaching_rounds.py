"""Rounds of self-training: a teacher labels a pool, a student learns from that, and teaches the next.

How one training goes is left to :mod:`fewshot.classifiers.fine_tuning`, what is drawn of the pool to
:mod:`fewshot.classifiers.pseudo_labels`.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.special import expit

from fewshot.classifiers.dropout_passes import dropout_passes
from fewshot.classifiers.fine_tune_settings import FineTuneSettings
from fewshot.classifiers.fine_tuning import FineTuning, HeldOut, Outcome, choose_look
from fewshot.classifiers.looks import probabilities_of
from fewshot.classifiers.pseudo_labels import PseudoLabels, choose_pseudo_labels
from fewshot.classifiers.selection import assign_folds
from fewshot.classifiers.self_train_settings import SelfTrainSettings
from fewshot.classifiers.self_trained import Round, SelfTrained
from fewshot.classifiers.uncertainty import uncertainty_of
from fewshot.evaluation.thresholds import thresholds_of_trained

SETTLED = 0.01
"""Share of the pool whose pseudo-labels must change from round to round, or the rounds end."""

_FEWER_EPOCHS = 2
"""By default a student learns so many times less often from each text than a first teacher with as many would."""

Train = Callable[[FineTuning, str, str], Outcome]
"""Trains a student, under the name of a stage and with the label of its progress bar."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfTraining(FineTuning):
    """How one fit trains a first teacher and the students after it, and judges them.

    Parameters
    ----------
    pool : list of str
        Texts without labels, none of them among those that are learnt from or judged on.
    how : SelfTrainSettings
    own_settings : FineTuneSettings
        As they were given: a student's default number of epochs is that of its own number of texts.
    """

    pool: Sequence[str]
    how: SelfTrainSettings
    own_settings: FineTuneSettings

    def cross_validated(self) -> Outcome:
        """Let folds choose how long the first teacher learns and how many rounds there are; then do all on all texts.

        The folds are the same for both. Rounds are judged from end to end: by teachers and students of whose labels
        a fold was no part.
        """
        teacher = super().cross_validated()
        held_out, n_rounds = None, self.how.rounds
        if teacher.held_out is not None:
            held_out = self._judge(functools.partial(self._judge_rounds, teacher))
            n_rounds = choose_look(held_out)
        rows = np.arange(len(self.texts))
        done = self._rounds(rows, teacher.model, _to_the_end, threshold=self._threshold(teacher))
        rounds = list(itertools.islice(done, n_rounds))
        return self._outcome(teacher, rounds, n_rounds if rounds else 0, held_out)

    def validated(
        self, texts: Sequence[str], y: np.ndarray, *, stage: str = "body", description: str = "fine-tuning"
    ) -> Outcome:
        """Judge each training, and each round, on validation texts; stop after a round that made answers worse."""
        teacher = super().validated(texts, y, stage=stage, description=description)

        def train(student: FineTuning, stage: str, words: str) -> Outcome:
            return student.validated(texts, y, stage=stage, description=words)

        rows, rounds, looks = np.arange(len(self.texts)), [], [_last_words(teacher)]
        for one in self._rounds(rows, teacher.model, train, threshold=self._threshold(teacher)):
            rounds.append(one)
            looks.append(_last_words(one.student))
            best = choose_look(HeldOut(y, looks, ""))
            if best < len(rounds):
                break
        held_out = HeldOut(y, looks, f"{len(texts)} validation texts")
        return self._outcome(teacher, rounds, choose_look(held_out), held_out)

    def _outcome(self, teacher: Outcome, rounds: list[Round], look: int, held_out: HeldOut | None) -> SelfTrained:
        kept = [teacher, *(one.student for one in rounds)][min(look, len(rounds))]
        return SelfTrained(
            kept.model,
            kept.losses,
            kept.plan,
            kept.step,
            held_out,
            look,
            teacher=teacher.report(),
            rounds=rounds,
            names=list(self.start.model.config.id2label.values()),
            most=self.how.rounds,
        )

    def _judge_rounds(self, teacher: Outcome, fold: int, train: np.ndarray, test: np.ndarray) -> list[np.ndarray]:
        """Return logits of the texts of a fold, round by round, by models that learnt without it."""
        stage, words = f"rounds-fold-{fold}", f"judging rounds, part {fold + 1} of {self.folds}"
        known = self.stages.finished(stage)
        if known is None:
            looks = self._run_rounds(teacher, fold, train, [self.texts[row] for row in test], (stage, words))
            known = {f"{number:04d}": logits for number, logits in enumerate(looks)}
            self.stages.finish(stage, known)
        return [known[number] for number in sorted(known)]

    def _run_rounds(
        self, teacher: Outcome, fold: int, train: np.ndarray, texts: list[str], names: tuple[str, str]
    ) -> list[np.ndarray]:
        stage, words = names
        plan = self.settings.plan(len(train))
        stop = plan.looks[min(teacher.look, len(plan.looks) - 1)]
        model, _ = self._train(train, f"{stage}/round-0", words, stop_at=stop)
        looks = [self._logits(model, texts)]
        rounds = self._rounds(
            train,
            model,
            _to_the_end,
            threshold=self._threshold(teacher, without=fold),
            stage=f"{stage}/",
            words=f"{words}, ",
        )
        looks += [self._logits(one.student.model, texts) for one in rounds]
        return looks + [looks[-1]] * (self.how.rounds + 1 - len(looks))  # settled: more rounds would change nothing

    def _logits(self, model: Any, texts: Sequence[str]) -> np.ndarray:
        return self.start.scorer(model, device=str(model.device)).logits(texts)

    def _rounds(
        self,
        rows: np.ndarray,
        model: Any,
        train: Train,
        *,
        threshold: np.ndarray | None,
        stage: str = "",
        words: str = "",
    ) -> Iterator[Round]:
        """Yield round after round, until pseudo-labels no longer change."""
        before = None
        for number in range(1, self.how.rounds + 1):
            at, said = f"{stage}round-{number}", f"{words}round {number} of {self.how.rounds}"
            labels = self._label(model, number, threshold, f"{at}-labels", said)
            changed = None if before is None else share_changed(before.given, labels.given)
            if changed is not None and changed < SETTLED:
                return
            student = train(self._student(rows, labels), at, said)
            yield Round(labels, changed, student)
            before, model = labels, student.model

    def _label(self, model: Any, number: int, threshold: np.ndarray | None, stage: str, words: str) -> PseudoLabels:
        """Return what a model says of the pool, and what of it the student of a round learns."""
        known = self.stages.finished(stage)
        if known is None:
            seeds = np.random.default_rng([self.random_state, number])
            logits = dropout_passes(
                self.start.scorer(model, device=str(model.device)),
                self.pool,
                passes=self.how.passes,
                upper_layers=self.how.upper_layers,
                dropout=self.how.dropout,
                precision=self.own_settings.precision,
                random_state=int(seeds.integers(2**32)),
                description=f"{words}: estimating uncertainty",
            )
            labels = choose_pseudo_labels(
                uncertainty_of(probabilities_of(logits, multi_label=self.y.ndim == 2), multi_label=self.y.ndim == 2),
                size=self.how.per_round,
                sampling=self.how.sampling,
                balanced=self.how.balanced,
                threshold=threshold,
                generator=seeds,
            )
            known = labels.arrays()
            self.stages.finish(stage, known)
        return PseudoLabels.from_arrays(known)

    def _student(self, rows: np.ndarray, labels: PseudoLabels) -> FineTuning:
        """Return the training on some labelled texts and the pseudo-labelled ones, from the pretrained weights."""
        texts = [*(self.texts[row] for row in rows), *(self.pool[row] for row in labels.rows)]
        return FineTuning(
            self.start,
            texts,
            np.concatenate([self.y[rows], labels.y]),
            self.n_classes,
            self.own_settings.lasting(_FEWER_EPOCHS * len(texts)),
            folds=0,
            device=self.device,
            random_state=self.random_state,
            stages=self.stages,
            weights=np.concatenate([np.ones(len(rows)), labels.weights]),
            augment=self.augment,
        )

    def _threshold(self, teacher: Outcome, without: int | None = None) -> np.ndarray | None:
        """Return the probability from which each label applies; ``without`` is a fold whose labels may not say so."""
        if self.y.ndim == 1:
            return None
        held_out = teacher.held_out
        if held_out is None:
            return np.full(self.n_classes, 0.5)
        told = np.ones(len(held_out.y), dtype=bool)
        if without is not None:
            fold_of = assign_folds(self.y, self.folds, self.random_state, self.texts)
            sizes = np.bincount(fold_of + 1)[1:]  # without those left out
            told[sizes[:without].sum() : sizes[: without + 1].sum()] = False
        if not told.any():
            return np.full(self.n_classes, 0.5)
        return thresholds_of_trained(held_out.y[told], expit(held_out.looks[teacher.look][told].astype(float)))


def share_changed(before: np.ndarray, after: np.ndarray) -> float:
    """Return the share of texts whose pseudo-labels differ.

    Examples
    --------
    >>> share_changed(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]))
    0.25
    """
    other = before != after
    return float((other.any(axis=1) if other.ndim == 2 else other).mean())


def _to_the_end(student: FineTuning, stage: str, words: str) -> Outcome:
    return student.unjudged(stage=stage, description=words)


def _last_words(outcome: Outcome) -> np.ndarray:
    """Return what a training that was looked at says of the validation texts at its best."""
    assert outcome.held_out is not None
    return outcome.held_out.looks[outcome.look]
