"""Numbered checks: whether what a comparison says is true of its methods, or of its data, or of chance.

Each looks at one way in which comparisons go wrong, and answers with its evidence. A number is never given to another
check. They stand in ``text_checks``, ``result_checks`` and ``use_checks``.
"""

from fewshot.evaluation.checks.findings import PASSED, UNKNOWN, WARNING, CannotTellError, Check, Evidence, Finding
from fewshot.evaluation.checks.result_checks import OF_RESULTS
from fewshot.evaluation.checks.text_checks import OF_TEXTS
from fewshot.evaluation.checks.use_checks import OF_USE

SHOWN = 20
"""Most rows of evidence that a finding keeps."""

CHECKS = tuple(sorted((*OF_TEXTS, *OF_RESULTS, *OF_USE)))
"""All checks, by number."""


def run_checks(evidence: Evidence) -> list[Finding]:
    """Ask all checks.

    Parameters
    ----------
    evidence : Evidence

    Returns
    -------
    list of Finding
        One a check, by number.

    Examples
    --------
    >>> import numpy as np
    >>> from fewshot.data.texts import TextData
    >>> data = TextData(["good", "bad"], ["pos", "neg"], multi_label=False, rows=[0, 1])
    >>> findings = run_checks(Evidence(data, data, {0: {1: np.array([0])}}, rows=[]))
    >>> [finding.text for finding in findings if finding.number == 104]
    ["1 of 1 slices lacks classes of the test set, which nothing trained on it can give: 'neg'; draw larger slices"]
    """
    return [_ask(check, evidence) for check in CHECKS]


def _ask(check: Check, evidence: Evidence) -> Finding:
    try:
        found = check.look(evidence)
    except CannotTellError as reason:
        return Finding(check.number, check.title, UNKNOWN, str(reason))
    if found is None:
        return Finding(check.number, check.title, PASSED)
    return Finding(check.number, check.title, WARNING, found[0], found[1][:SHOWN])
