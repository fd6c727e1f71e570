"""Models and texts of a benchmark, in folders and in memory."""

from pathlib import Path

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.data.texts import TextData

QUICK = {"seconds": 0.05, "rounds": 2, "batch_sizes": (1, 4), "threads": (1,), "cold_starts": 0, "device": "cpu"}


def judge_texts(toy):
    """The toy task's test texts as labelled data."""
    return TextData(toy.test_texts, toy.test_labels, toy.multi_label, list(range(len(toy.test_texts))), source="toy")


def write_models(folder: Path, toy, encoder):
    """Write a probe and naive Bayes, and return their folders."""
    LinearProbeClassifier(encoder, device="cpu").fit(toy.texts, toy.labels).save(folder / "probe")
    NaiveBayesClassifier().fit(toy.texts, toy.labels).save(folder / "bayes")
    return [folder / "probe", folder / "bayes"]
