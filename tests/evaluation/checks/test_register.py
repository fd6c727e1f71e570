"""Checks of a comparison: each finds what it is for, and is silent where all is well."""

import dataclasses

import numpy as np
import pytest

from fewshot.data.text_sketch import TextSketch
from fewshot.data.texts import TextData
from fewshot.evaluation.checks.findings import Evidence, Used
from fewshot.evaluation.checks.register import CHECKS, SHOWN, run_checks
from fewshot.evaluation.metrics import score_labels

CLASSES = ("a", "b", "c")


def texts_of(n, kind, *, multi=False, classes=CLASSES):
    """Return ``n`` labelled texts, classes in turn."""
    names = [classes[i % len(classes)] for i in range(n)]
    return TextData(
        [f"{kind} {i}" for i in range(n)], [(name,) if multi else name for name in names], multi, [*range(n)]
    )


def result(method, size, seed, said, test, **changes):
    """Return a result row and what was said."""
    scores = score_labels(test.labels, said, multi_label=test.multi_label)
    row = {"method": method, "encoder": "", "pool": None, "slice": size, "n_train": 3 * size, "seed": seed}
    return row | {"status": "ok", "error": None, **scores, "fit_seconds": 1.0, "predict_seconds": 1.0} | changes, said


def answers(rng, labels, right):
    """Return answers of which about a share is right."""
    return [label if rng.random() < right else rng.choice([c for c in CLASSES if c != label]) for label in labels]


@pytest.fixture
def sound():
    """A comparison in which all is well: three methods well apart, three seeds, 900 test texts."""
    rng = np.random.default_rng(0)
    labeled, test = texts_of(60, "train"), texts_of(900, "test")
    draws = {seed: {8: rng.permutation(60)[:24]} for seed in range(3)}
    shares = {"good": 0.95, "fair": 0.8, "poor": 0.6}
    found = [
        result(method, 8, seed, answers(rng, test.labels, right), test)
        for method, right in shares.items()
        for seed in range(3)
    ]
    vectors = {name: rng.normal(size=(n, 32)) for name, n in (("labeled", 60), ("test", 900), ("pool", 100))}
    drawn = np.unique([row for slices in draws.values() for row in slices[8]])
    vectors["labeled"] = vectors["labeled"][: len(drawn)]
    used = [Used("runs/encoder", "learnt from", TextSketch.of(labeled.texts))]
    return Evidence(labeled, test, draws, [row for row, _ in found], found, {}, vectors, used=used)


def found_in(evidence):
    """Return the findings of an evidence that are warnings, by number."""
    return {finding.number: finding for finding in run_checks(evidence) if finding.verdict == "warning"}


def test_all_is_well(sound):
    """Prevents warnings about every comparison, which nobody would read."""
    findings = run_checks(sound)
    assert [(finding.number, finding.text) for finding in findings if finding.verdict != "passed"] == []
    assert [finding.number for finding in findings] == sorted({check.number for check in CHECKS})


def test_nothing_is_there():
    """Prevents an error where every cell failed or no encoder was used: what cannot be told is said."""
    data = texts_of(3, "one")
    findings = run_checks(Evidence(data, texts_of(3, "two"), {0: {1: np.arange(3)}}, rows=[]))
    numbers = {finding.verdict: set() for finding in findings}
    for finding in findings:
        numbers[finding.verdict].add(finding.number)
    assert numbers == {
        "not checked": {101, 102, 105, 106, 107, 108, 112},
        "passed": {103, 104, 110, 111},
        "warning": {109},
    }
    assert all(finding.text for finding in findings if finding.verdict == "not checked")


def test_test_texts_to_learn_from(sound):
    """Prevents scores on texts that were learnt by heart, word for word or nearly so, from being believed."""
    vectors = {name: rows.copy() for name, rows in sound.vectors.items()}
    vectors["test"][5] = 3 * vectors["labeled"][4]
    finding = found_in(dataclasses.replace(sound, vectors=vectors, left_out={"labelled": 2, "unlabelled": 0}))[101]
    assert "2 labelled texts are test texts, too" in finding.text
    assert "unlabelled" not in finding.text
    assert "1 test texts are nearly the same" in finding.text
    assert [(row["text"], row["other text"]) for row in finding.evidence] == [("test 5", f"train {sound.drawn[4]}")]


def test_copies_among_labels(sound):
    """Prevents two spellings of one text, or worse with two labels, from counting as two labels."""
    vectors = {name: rows.copy() for name, rows in sound.vectors.items()}
    labels = [sound.labeled.labels[row] for row in sound.drawn]
    same = next(place for place in range(1, len(labels)) if labels[place] == labels[0])
    other = next(place for place in range(2, len(labels)) if labels[place] != labels[1] and place != same)
    vectors["labeled"][same] = vectors["labeled"][0]
    vectors["labeled"][other] = vectors["labeled"][1]
    finding = found_in(dataclasses.replace(sound, vectors=vectors))[102]
    assert finding.text.startswith("2 labelled texts are nearly the same as another one")
    assert "1 of them with another label" in finding.text
    assert finding.evidence[0]["label"] != finding.evidence[0]["other label"]


@pytest.mark.parametrize("multi", [False, True])
def test_worse_than_a_constant(multi):
    """Prevents a method that learnt nothing from standing among others as if it had."""
    test = texts_of(300, "test", multi=multi, classes=("a", "a", "b"))
    wrong = [("b",) if multi else "b"] * 300
    rows = [result("bad", 8, 0, wrong, test)[0], result("fine", 8, 0, test.labels, test)[0]]
    finding = found_in(Evidence(texts_of(6, "x", multi=multi), test, {}, rows))[103]
    assert finding.text.startswith("bad: at some size worse than the answer 'a'")
    assert "66.7 %" in finding.text
    assert [row["method"] for row in finding.evidence] == ["bad"]


def test_slices_without_a_class(sound):
    """Prevents a class that nothing could learn from being counted as a method's mistakes."""
    row = sound.labeled.labels.index("a")
    finding = found_in(dataclasses.replace(sound, draws={0: {0: np.arange(0), 1: np.array([row]), 8: np.arange(24)}}))[
        104
    ]
    assert finding.text.startswith("1 of 2 slices lacks classes")
    assert finding.evidence == [{"slice": 1, "seed": 0, "absent": "b, c"}]


def test_a_class_whose_name_has_a_comma_is_one_class(sound):
    """Prevents names from being cut where a list of them is read again."""
    test = dataclasses.replace(sound.test, labels=["returns, exchanges", *sound.test.labels[1:]])
    finding = found_in(dataclasses.replace(sound, test=test, draws={0: {24: np.arange(24)}}))[104]
    assert "'returns, exchanges'" in finding.text


def test_choosing_among_equals(sound):
    """Prevents the best of many equal methods from being reported with the luck that made it the best."""
    rng = np.random.default_rng(1)
    test = sound.test.select(range(100))
    found = [result(f"m{i}", 8, 0, answers(rng, test.labels, 0.7), test) for i in range(12)]
    evidence = dataclasses.replace(sound, test=test, rows=[row for row, _ in found], answers=found)
    finding = found_in(evidence)[105]
    gain = float(finding.text.split("about ")[1].split(" ")[0])
    best = max(row["accuracy"] for row, _ in found)
    assert gain == pytest.approx(100 * (best - 0.7), abs=5)
    assert finding.evidence[0]["accuracy"] == pytest.approx(100 * best, abs=0.05)
    alone = dataclasses.replace(evidence, answers=found[:1])
    assert next(f for f in run_checks(alone) if f.number == 105).verdict == "not checked"


def test_within_noise(sound):
    """Prevents a lead of a tenth of a point, where seeds spread by three, from being a result."""
    rows = []
    for seed, (one, other) in enumerate([(0.80, 0.79), (0.86, 0.87), (0.74, 0.73)]):
        for method, score in (("first", one), ("second", other)):
            said = answers(np.random.default_rng(seed), sound.test.labels, score)
            rows.append(result(method, 8, seed, said, sound.test, macro_f1=score)[0])
    finding = found_in(dataclasses.replace(sound, rows=rows, answers=()))[106]
    [line] = finding.evidence
    assert (line["first"], line["second"]) == ("first", "second")
    assert line["ahead by"] < line["sd over seeds"] == 7.0
    one_seed = [row for row in rows if row["seed"] == 0]
    told = next(f for f in run_checks(dataclasses.replace(sound, rows=one_seed)) if f.number == 106)
    assert told.verdict == "not checked"
    assert "--seeds" in told.text


@pytest.mark.parametrize("multi", [False, True])
def test_labels_that_all_contradict(multi):
    """Prevents wrong labels of the test set from counting as mistakes, and mere disagreement from being called so."""
    test = texts_of(500, "test", multi=multi)
    wrong, doubtful, split = [list(test.labels) for _ in range(3)], 6, 8
    other = ("b", "c") if multi else "b"
    for number, said in enumerate(wrong):
        said[doubtful] = tuple(reversed(other)) if multi and number else other
        said[split] = [("a",), ("b",), ("a",)][number] if multi else "aba"[number]
    found = [result(f"m{i}", 8, seed, said, test) for i, said in enumerate(wrong) for seed in range(2)]
    evidence = Evidence(texts_of(6, "x", multi=multi), test, {}, [row for row, _ in found], found)
    finding = found_in(evidence)[107]
    [line] = finding.evidence
    assert (line["row"], line["text"], line["label"]) == (6, "test 6", "a")
    assert line["every method says"] == ("b, c" if multi else "b")
    assert "all 3 methods contradict" in finding.text


def test_a_pool_from_elsewhere(sound):
    """Prevents methods that learn from a pool from being judged by a pool of other texts."""
    far = dict(sound.vectors) | {"pool": sound.vectors["pool"] + 3}
    finding = found_in(dataclasses.replace(sound, vectors=far))[108]
    assert finding.text.startswith("the pool is unlike the labelled texts")
    assert finding.evidence[0]["distance"] > 0.9


def test_failed_cells_and_foreign_classes(sound):
    """Prevents failures from being forgotten, and a class spelt in two ways from going unnoticed."""
    row = dict.fromkeys(sound.rows[0]) | {"method": "broken", "slice": 8, "status": "failed", "error": "ValueError: no"}
    test = dataclasses.replace(sound.test, labels=["A" if label == "a" else label for label in sound.test.labels])
    found = found_in(dataclasses.replace(sound, rows=[*sound.rows, row, row], test=test))
    assert found[110].text.startswith("2 of 11 cells failed")
    assert found[110].evidence == [{"method": "broken", "cells": 2, "error": "ValueError: no"}]
    assert {(line["class"], line["only in"]) for line in found[111].evidence} == {
        ("A", "test set"),
        ("a", "labelled texts"),
    }


def test_few_test_texts_and_long_evidence(sound):
    """Prevents an accuracy on thirty texts from being taken for exact, and a page of a million rows."""
    test = sound.test.select(range(30))
    found = found_in(dataclasses.replace(sound, test=test, rows=[], answers=(), vectors={}))
    assert "±9 points" in found[109].text
    draws = {seed: {1: np.array([0])} for seed in range(100)}
    assert len(found_in(dataclasses.replace(sound, draws=draws))[104].evidence) == SHOWN
    assert "100 of 100 slices" in found_in(dataclasses.replace(sound, draws=draws))[104].text


def with_encoders(found):
    """Return rows and answers once for each of two encoders, which say the same."""
    return [(row | {"encoder": encoder}, said) for encoder in ("small", "large") for row, said in found]


def test_encoders_are_told_apart(sound):
    """Prevents findings about a method that is two, and answers of two encoders from being averaged."""
    answers = with_encoders(sound.answers)
    failed = dict.fromkeys(sound.rows[0]) | {"method": "poor", "encoder": "large", "pool": None, "slice": 8}
    failed |= {"status": "failed", "error": "ValueError: no"}
    evidence = dataclasses.replace(sound, rows=[*(row for row, _ in answers), failed], answers=answers)
    found = found_in(evidence)
    assert found[110].evidence == [{"method": "poor (large)", "cells": 1, "error": "ValueError: no"}]
    assert {found[106].evidence[0][place] for place in ("first", "second")} == {"good (small)", "good (large)"}
    wrong = ["c" if label == "a" else "a" for label in sound.test.labels]
    worse = [result("bad", 8, 0, said, sound.test, encoder=name)[0] for name, said in (("e", wrong), ("f", wrong))]
    below = found_in(dataclasses.replace(sound, rows=worse, answers=()))[103]
    assert [row["method"] for row in below.evidence] == ["bad (e)", "bad (f)"]


def test_two_encoders_are_two_to_choose_from(sound):
    """Prevents the luck of choosing among a dozen encoders from being reckoned as that of one method."""
    rng, test = np.random.default_rng(1), sound.test.select(range(100))
    found = [result("knn", 8, 0, answers(rng, test.labels, 0.7), test, encoder=f"e{i}") for i in range(12)]
    evidence = dataclasses.replace(sound, test=test, rows=[row for row, _ in found], answers=found)
    assert found_in(evidence)[105].text.startswith("the best of 12 methods")


def test_pools_are_told_apart(sound):
    """Prevents a strange pool from hiding behind a good one."""
    vectors = {name: rows for name, rows in sound.vectors.items() if name != "pool"}
    vectors |= {"pool new": sound.vectors["pool"], "pool old": sound.vectors["pool"] + 3}
    finding = found_in(dataclasses.replace(sound, vectors=vectors))[108]
    assert finding.text.startswith("pool old: the pool is unlike the labelled texts")
    assert [row["pool"] for row in finding.evidence] == ["old"]


def test_copies_across_folds(sound):
    """Prevents a twin in another fold from going unseen, and every text from being told as its own copy."""
    data, vectors = sound.test.select(range(60)), np.random.default_rng(0).normal(size=(60, 32))
    sides = {"labeled": vectors, "test": vectors}
    draws = {"0, fold 1": {8: np.arange(60)}}
    evidence = dataclasses.replace(sound, labeled=data, test=data, draws=draws, cross_validated=True, vectors=sides)
    assert 101 not in found_in(dataclasses.replace(evidence, rows=[], answers=()))
    vectors[7] = vectors[3]
    finding = found_in(dataclasses.replace(evidence, rows=[], answers=()))[101]
    assert [(row["text"], row["other text"]) for row in finding.evidence] == [("test 3", "test 7")]
    assert "where one is held out" in finding.text


def test_texts_used_before(sound):
    """Prevents scores on texts that settings were chosen on, or a model learnt from, from being believed."""
    used = [
        Used("val.csv (validation)", "holds", TextSketch.of(["TEST  3", "test 5", "other"])),
        Used("runs/encoder", "learnt from", TextSketch.of(sound.labeled.texts)),
        Used("runs/prompt", "learnt from", TextSketch.of(["test 3"])),
    ]
    finding = found_in(dataclasses.replace(sound, used=used))[112]
    assert finding.text.startswith(
        "val.csv (validation) holds 2 of the 900 test texts; runs/prompt learnt from 1 of the 900 test texts: "
    )
    assert [(row["used by"], row["text"]) for row in finding.evidence] == [
        ("val.csv (validation)", "test 3"),
        ("val.csv (validation)", "test 5"),
        ("runs/prompt", "test 3"),
    ]
    about = Used("runs/large", "learnt from", TextSketch.of(f"test {i}" for i in range(5_000)))
    assert "learnt from about 900 of the 900" in found_in(dataclasses.replace(sound, used=[about]))[112].text
