"""How good the classifier of a training is on new texts, where no text was spent on a test.

Cross-validation costs a training for each fold. It is done unasked only where a training is cheap; of the others the
held-out answers are taken that they make for their own choices.
"""

import dataclasses
import statistics
from collections.abc import Callable
from typing import Any

from fewshot.core.errors import InputError
from fewshot.data.texts import TextData
from fewshot.evaluation.estimates.answer_sheet import dependence
from fewshot.evaluation.estimates.estimate import Estimate, check_estimable, estimate_score
from fewshot.evaluation.wilson import wilson_interval
from fewshot.recipes.methods import find_method

Make = Callable[[], Any]

CHEAP = 1
"""Methods of this cost and less (see :class:`~fewshot.recipes.method.Method`) are cross-validated unasked."""

MOST_LABELS = 1000
"""With more labels than these, cross-validation is done only where asked for: some can be spared for a test."""

INTERVAL = 0.9


def is_cheap(method: str, n_labels: int) -> bool:
    """Return whether cross-validation of a method costs so little that it is done unasked.

    Examples
    --------
    >>> is_cheap("naive-bayes", 64), is_cheap("setfit", 64), is_cheap("naive-bayes", 10_000)
    (True, False, False)
    """
    row, _ = find_method(method)
    return row.cost <= CHEAP and not row.needs_pool and n_labels <= MOST_LABELS


@dataclasses.dataclass(frozen=True)
class Estimating:
    """Whether, and for which texts, the score of a training is estimated.

    Parameters
    ----------
    asked : bool or None
        ``None``: where it is cheap.
    pool : list of str or None
        Texts whose balance of classes the estimate is for; default: that of the labels.
    """

    asked: bool | None = None
    pool: list[str] | None = None

    def check(self, labeled: TextData, *, updates: bool = False, searches: bool = False) -> None:
        """Raise before a training if an estimate is asked for that cannot be had.

        Parameters
        ----------
        labeled : TextData
        updates : bool
            Whether an earlier classifier is brought up to date.
        searches : bool
            Whether the settings are searched on the same labels.

        Raises
        ------
        InputError
        """
        if self.asked is False and self.pool is not None:
            raise InputError("--estimate-pool says what to estimate for, --no-estimate not to; leave one of them out")
        if not self.asked and self.pool is None:
            return
        if updates:
            raise InputError("--estimate trains anew on parts of the labels, and --from goes on; leave one of them out")
        if searches:
            raise InputError(
                "--estimate would judge settings on the labels that --search chose them on; leave out --search, and "
                "give the settings that it found"
            )
        check_estimable(labeled.texts, labeled.labels, pooled=self.pool is not None)

    def of_training(
        self, method: str, make: Make, classifier: Any, labeled: TextData, *, judged: bool, random_state: int
    ) -> Estimate | None:
        """Estimate what a classifier that was trained on all labels is worth.

        Parameters
        ----------
        method : str
        make : callable
            Gives a fresh, unfitted classifier with the settings of the training.
        classifier : TextClassifier
            The one that was trained.
        labeled : TextData
        judged : bool
            Whether the training had another judge, as validation texts are: then nothing is done unasked.
        random_state : int

        Returns
        -------
        Estimate or None
        """
        asked = self.asked or self.pool is not None
        if not asked and (judged or self.asked is False):
            return None
        if asked or (is_cheap(method, len(labeled)) and _is_estimable(labeled)):
            return estimate_score(
                make,
                labeled.texts,
                labeled.labels,
                metric="micro_f1" if labeled.multi_label else "accuracy",
                interval=INTERVAL,
                pool=self.pool,
                random_state=random_state,
            )
        return estimate_of_report(classifier)


def _is_estimable(labeled: TextData) -> bool:
    try:
        check_estimable(labeled.texts, labeled.labels)
    except InputError:
        return False
    return True


def estimate_of_report(classifier: Any) -> Estimate | None:
    """Estimate accuracy from the held-out answers that a training made for its own choices, if it made some.

    Parameters
    ----------
    classifier : TextClassifier
        With a ``report_`` that tells ``held_out_score`` and ``n_held_out``, of one label a text, and parameter
        ``folds``.

    Returns
    -------
    Estimate or None
        Too low, if anything: of trainings on a part of the labels, and there is no second part to see how fast more
        labels help.
    """
    report, folds = getattr(classifier, "report_", {}), getattr(classifier, "folds", 0)
    score, n = report.get("held_out_score"), report.get("n_held_out", 0)
    if score is None or not n or folds < 2 or classifier.label_space_.multi_label:
        return None
    share = (folds - 1) / folds
    z = statistics.NormalDist().inv_cdf((1 + INTERVAL) / 2)
    low, high = wilson_interval(score, n / dependence(1, share), z)
    return Estimate(
        "accuracy",
        float(score),
        float(low),
        float(high),
        INTERVAL,
        n,
        f"the training's own {folds}-fold cross-validation on {n:,} labels",
        (
            f"each fold's training saw {100 * share:.0f} % of the labels: the classifier, which saw all, should do "
            "better; it was chosen on these answers, which flatters it a little",
        ),
    )
