"""What compared methods cost to use."""

import json
import time

import pytest

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.core.artifacts import folder_bytes
from fewshot.encoders.cached import CachedEncoder
from fewshot.evaluation.runner.contest import Cell, Contest
from fewshot.recipes.costs import MOST_TIMED, Costed, Costing, measured_cost, read_costs
from fewshot.recipes.pool_methods import WithPool

TEXTS = [f"text {word} number {number}" for number in range(8) for word in ("red", "blue")]
LABELS = ["red", "blue"] * 8


class Slow:
    """Answers after a while, cannot be saved, and counts the texts that it was asked about."""

    def __init__(self, seconds=0.0):
        self.seconds, self.asked = seconds, []

    def fit(self, texts, labels):
        return self

    def predict(self, texts):
        self.asked += texts
        time.sleep(self.seconds * len(texts))
        return ["a"] * len(texts)


def contests(slices=(8, 16), seeds=(0, 1), build=Slow, **changes):
    """Return contests of one method."""
    identity = {"method": "slow", "encoder": "e", "pool": None} | changes
    return [
        Contest(
            Cell(**identity, slice=size, n_train=size, seed=seed, key=f"{identity['method']}-{size}-{seed}"),
            build,
            None,
        )
        for size in slices
        for seed in seeds
    ]


def test_size_is_that_of_what_is_saved(tmp_path, toy_encoder):
    """Prevents a size without the encoder, without which nothing is predicted."""
    model = NaiveBayesClassifier().fit(TEXTS, LABELS)
    model.save(tmp_path / "model")
    cost = measured_cost(model, TEXTS)
    assert cost["size_mb"] == folder_bytes(tmp_path / "model") / 1e6
    assert cost["texts_per_second"] > 0
    assert cost["error"] is None


def test_the_encoder_is_in_the_size_and_its_kept_vectors_are_not_in_the_speed(tiny_encoder):
    """Prevents the speed of a dictionary from being told as that of an encoder."""
    encoder = CachedEncoder(tiny_encoder)
    model = LinearProbeClassifier(encoder).fit(TEXTS, LABELS)
    model.predict(TEXTS)
    asked = []
    inner = tiny_encoder.encode
    tiny_encoder.encode = lambda texts: (asked.extend(texts), inner(texts))[1]
    cost = measured_cost(model, TEXTS)
    assert set(TEXTS) <= set(asked)
    assert cost["size_mb"] > measured_cost(NaiveBayesClassifier().fit(TEXTS, LABELS), TEXTS)["size_mb"]


def test_methods_of_several_parts_are_weighed_too(tiny_static):
    """Prevents empty fields for all methods that learn from a pool."""

    class Learner(LinearProbeClassifier):
        def fit(self, texts, labels, *, unlabeled, validation):
            return super().fit(texts, labels)

    cost = measured_cost(WithPool(Learner(tiny_static), TEXTS).fit(TEXTS, LABELS), TEXTS)
    assert cost["size_mb"] > 0


def test_what_cannot_be_measured_says_why():
    """Prevents a method that cannot be saved from failing its cell, or from a size of 0."""
    cost = measured_cost(Slow(), TEXTS)
    assert cost["texts_per_second"] > 0
    assert cost["size_mb"] is None
    assert cost["error"].startswith("AttributeError")


def test_a_slow_method_is_timed_on_few_texts():
    """Prevents minutes of timing at the end of a comparison that took seconds."""
    slow = Slow(seconds=0.2)
    cost = measured_cost(slow, TEXTS * 20)
    assert len(slow.asked) <= 10
    assert cost["texts_per_second"] == pytest.approx(5, rel=0.3)


def test_the_largest_slice_alone_is_measured_and_once(tmp_path):
    """Prevents a second of timing in every one of a thousand cells."""
    given = contests()
    chosen = Costing(tmp_path).of(given, TEXTS)
    assert [one.cell for one in chosen] == [one.cell for one in given]
    assert [one.build is Slow for one in chosen] == [True, True, False, False]
    first, second = (one.build() for one in chosen[2:])
    assert isinstance(first, Costed)
    assert first.fit(TEXTS, LABELS).predict(["x"]) == ["a"]
    for one in (first, second):
        one.after_scoring()
    assert [path.name for path in (tmp_path / "costs").iterdir()] == ["slow-16-0.json"]
    cells = [one.cell for one in given]
    assert read_costs(cells, tmp_path)["slow", "e", None]["texts_per_second"] > 0
    assert read_costs([one.cell for one in contests(method="other")], tmp_path) == {}


def test_the_next_seed_is_measured_where_the_first_failed(tmp_path):
    """Prevents one failed cell from leaving a method without its speed."""
    *_, last = Costing(tmp_path).of(contests(), TEXTS)
    last.build().after_scoring()
    assert len(read_costs([one.cell for one in contests()], tmp_path)) == 1


def test_methods_differ_by_encoder_and_pool(tmp_path):
    """Prevents the cost of one encoder from being told as that of another."""
    both = [*contests(slices=(8,)), *contests(slices=(16,), encoder="f")]
    assert all(one.build is not Slow for one in Costing(tmp_path).of(both, TEXTS))


def test_nothing_is_measured_when_the_time_is_up(tmp_path):
    """Prevents a budget from being passed by what was never asked for."""
    [*_, last] = Costing.within(-1, tmp_path).of(contests(), TEXTS)
    last.build().after_scoring()
    assert not (tmp_path / "costs").exists()


def test_texts_of_a_large_test_set_are_spread_over_it(tmp_path):
    """Prevents the speed of the first rows, which a sorted file has of one kind, from being told as that of all."""
    [*_, last] = Costing(tmp_path).of(contests(), [str(number) for number in range(1000)])
    texts = last.build().texts
    assert len(texts) == MOST_TIMED
    assert (texts[0], texts[-1]) == ("0", "995")


def test_a_torn_file_counts_as_absent(tmp_path):
    """Prevents a run that was killed while it wrote from failing ever after."""
    (tmp_path / "costs").mkdir()
    (tmp_path / "costs" / "slow-16-0.json").write_text("{")
    (tmp_path / "costs" / "slow-16-1.json").write_text(json.dumps({"texts_per_second": 5.0}))
    assert read_costs([one.cell for one in contests()], tmp_path) == {("slow", "e", None): {"texts_per_second": 5.0}}
