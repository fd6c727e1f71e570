"""Checks of the texts of a comparison: what is learnt from, what is judged on, and the pool beside them."""

from typing import Any

from fewshot.evaluation.checks.findings import CannotTellError, Check, Evidence, Found, classes_of, cut, named, told
from fewshot.evaluation.checks.twins import twins
from fewshot.evaluation.domain import MIN_VECTORS, domain_distance, domain_note

NEAR = 0.97
"""Cosine from which on two texts count as nearly the same."""

FEW_TEST_TEXTS = 400


def _leaks(evidence: Evidence) -> Found | None:
    if evidence.cross_validated:
        return _leaks_between_folds(evidence)
    exact = [f"{n:,} {name} texts are test texts, too, and were left out" for name, n in evidence.left_out.items() if n]
    pairs = _near(evidence, "test", "labeled")
    if pairs:
        exact.append(
            f"{len(pairs):,} test texts are nearly the same as one to learn from (cosine {NEAR} and more): scores are "
            "flattered; look at the pairs, and leave out one of each"
        )
    return ("; ".join(exact), pairs) if exact else None


def _leaks_between_folds(evidence: Evidence) -> Found | None:
    pairs = _near(evidence, "test", "test")
    if not pairs:
        return None
    text = (
        f"{len(pairs):,} labelled texts are nearly the same as another one (cosine {NEAR} and more): where one is held "
        "out the other may be learnt from, and scores are flattered; look at the pairs, and leave out one of each"
    )
    return text, pairs


def _copies(evidence: Evidence) -> Found | None:
    pairs = _near(evidence, "labeled", "labeled")
    if not pairs:
        return None
    apart = [pair for pair in pairs if pair["label"] != pair["other label"]]
    text = (
        f"{len(pairs):,} labelled texts are nearly the same as another one (cosine {NEAR} and more), "
        f"{len(apart):,} of them with another label: a slice of n labels teaches less than n"
    )
    return text, [*apart, *(pair for pair in pairs if pair["label"] == pair["other label"])]


def _near(evidence: Evidence, one: str, other: str) -> list[dict[str, Any]]:
    """Return a line for each text of one side that has nearly the same text on the other, the nearest first."""
    if not {one, other} <= set(evidence.vectors):
        raise CannotTellError("no method uses an encoder, so that texts have no vectors to be compared by")
    sides = {"test": evidence.test, "labeled": evidence.labeled.select(evidence.drawn)}
    lines = []
    for row, near, cosine in twins(
        evidence.vectors[one], None if one == other else evidence.vectors[other], at_least=NEAR
    ):
        a, b = (sides[name] for name in (one, other))
        lines.append(
            {
                "cosine": round(cosine, 3),
                "text": cut(a.texts[row]),
                "label": told(a.labels[row]),
                "other text": cut(b.texts[near]),
                "other label": told(b.labels[near]),
            }
        )
    return lines


def _absent_from_slices(evidence: Evidence) -> Found | None:
    wanted = classes_of(evidence.test.labels)
    lines: list[dict[str, Any]] = []
    absent: dict[str, None] = {}
    slices = [(seed, size, rows) for seed, draws in evidence.draws.items() for size, rows in draws.items() if size]
    for seed, size, rows in slices:
        there = classes_of(evidence.labeled.labels[row] for row in rows)
        if wanted - there:
            names = sorted(map(str, wanted - there))
            absent |= dict.fromkeys(names)
            lines.append({"slice": size, "seed": seed, "absent": ", ".join(names)})
    if not lines:
        return None
    lacks = "lacks" if len(lines) == 1 else "lack"
    text = (
        f"{len(lines)} of {len(slices)} slices {lacks} classes of the test set, which nothing trained on it can give: "
        f"{named(list(absent))}; draw larger slices"
    )
    return text, sorted(lines, key=lambda line: (line["slice"], line["seed"]))


def _strange_pool(evidence: Evidence) -> Found | None:
    pools = {name: rows for name, rows in evidence.vectors.items() if name.partition(" ")[0] == "pool"}
    if not pools:
        raise CannotTellError("there is no pool, or no encoder to compare it by")
    labeled = evidence.vectors["labeled"]
    if min(map(len, (labeled, *pools.values()))) < MIN_VECTORS:
        raise CannotTellError(f"fewer than {MIN_VECTORS} texts on a side")
    notes, lines = [], []
    for name, rows in pools.items():
        distance = domain_distance(labeled, rows, random_state=evidence.random_state)
        if (note := domain_note(*distance)) is not None:
            notes.append(note if name == "pool" else f"{name}: {note}")
            lines.append(({} if name == "pool" else {"pool": name.removeprefix("pool ")}) | distance._asdict())
    return ("; ".join(notes), lines) if notes else None


def _few_test_texts(evidence: Evidence) -> Found | None:
    n = len(evidence.test)
    if n >= FEW_TEST_TEXTS:
        return None
    return f"the test set has {n} texts: an accuracy on so few is uncertain by up to ±{50 / n**0.5:.0f} points", []


def _unknown_classes(evidence: Evidence) -> Found | None:
    labeled, test = classes_of(evidence.labeled.labels), classes_of(evidence.test.labels)
    lines = [{"class": name, "only in": "test set"} for name in sorted(map(str, test - labeled))]
    lines += [{"class": name, "only in": "labelled texts"} for name in sorted(map(str, labeled - test))]
    if not lines:
        return None
    text = (
        f"{named([line['class'] for line in lines])}: a class that only one side has cannot be right on the test set; "
        "are names spelt alike?"
    )
    return text, lines


OF_TEXTS = (
    Check(101, "Are test texts among those to learn from?", _leaks),
    Check(102, "Are labelled texts copies of each other?", _copies),
    Check(104, "Do slices lack classes?", _absent_from_slices),
    Check(108, "Is the pool unlike the labelled texts?", _strange_pool),
    Check(109, "Is the test set large enough?", _few_test_texts),
    Check(111, "Do labelled texts and test set have the same classes?", _unknown_classes),
)
