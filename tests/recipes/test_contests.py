"""Who meets which slice, and what the keys of cells hold."""

import dataclasses

import pytest

from fewshot.data.labels import LabelSpace
from fewshot.data.texts import TextData
from fewshot.recipes.compared_texts import ComparedTexts
from fewshot.recipes.contests import Ring, enter


@pytest.fixture
def ring(toy_encoder):
    """Where four texts are tested."""
    test = TextData(["fine", "poor"] * 2, ["pos", "neg"] * 2, multi_label=False, rows=[0, 1, 2, 3])
    return Ring([], test, LabelSpace(("neg", "pos"), False), {1: ["a pool"]}, {"E": toy_encoder}, device="cpu")


def entries(ring, names=("zero-shot-embedding", "knn", "naive-bayes"), first_seed=3):
    """Return the entries on slices 0, 1 and 2 of two seeds."""
    labeled = TextData([f"text {i}" for i in range(8)], ["pos", "neg"] * 4, multi_label=False, rows=list(range(8)))
    texts = ComparedTexts(labeled, ring.test, dict(ring.pools), [], {})
    draws = texts.draw_slices((0, 1, 2), (3, 4), total=None)
    return enter(names, (2, 0, 1), draws, texts, ring, first_seed=first_seed).entries


def test_cheap_methods_and_small_slices_come_first(ring):
    """Prevents a budget that is used up before the baselines have run, and methods that cannot run without labels."""
    met = [(cell.method, cell.slice, cell.seed) for cell, _ in entries(ring)]
    sizes = {"naive-bayes": (1, 2), "zero-shot-embedding": (0, 1, 2), "knn": (1, 2)}
    assert met == [(name, size, seed) for name, of in sizes.items() for size in of for seed in (3, 4)]
    assert all(len(train) == cell.n_train == 2 * cell.slice for cell, train in entries(ring))


def test_a_key_changes_with_what_its_method_uses_and_with_nothing_else(ring, tiny_static):
    """Prevents results of another pool or encoder from standing for these, and the loss of results that stay valid."""

    def changed(other):
        pairs = zip(entries(ring), entries(other), strict=True)
        return {a.cell.method for a, b in pairs if a.cell.key != b.cell.key}

    assert changed(ring) == set()
    assert changed(dataclasses.replace(ring, encoders={"E": tiny_static})) == {"knn", "zero-shot-embedding"}
    assert changed(dataclasses.replace(ring, pools={1: ["another"]})) == {"zero-shot-embedding"}
    assert changed(dataclasses.replace(ring, space=LabelSpace(("neg", "new", "pos"), False))) == {"zero-shot-embedding"}
    test = dataclasses.replace(ring.test, labels=["neg", "pos"] * 2)
    assert changed(dataclasses.replace(ring, test=test)) == {"knn", "zero-shot-embedding", "naive-bayes"}


def test_adapting_methods_know_with_which_seed_it_was_done(ring):
    """Prevents an encoder that was adapted with one seed from standing for another's."""
    [first, second] = (entries(ring, ["adapt+fine-tune"], first_seed=seed)[0].cell for seed in (0, 1))
    assert first.key != second.key
    assert (first.encoder, first.pool) == ("E", 1)


def test_methods_meet_what_they_have_a_use_for(ring, tiny_static):
    """Prevents the same training once for each encoder that is not used, and one encoder under two names."""
    many = dataclasses.replace(ring, encoders={**ring.encoders, "F": tiny_static}, pools={"a": ["one"], "b": ["two"]})
    met = {(cell.method, cell.encoder, cell.pool) for cell, _ in entries(many)}
    asked = {("zero-shot-embedding", encoder, pool) for encoder in "EF" for pool in "ab"}
    assert met == {("naive-bayes", "", None), ("knn", "E", None), ("knn", "F", None)} | asked
    assert len({cell.key for cell, _ in entries(many)}) == len(entries(many))
    contests = dataclasses.replace(many, entries=entries(many)).contests()
    made = {(cell.encoder, cell.pool): build() for cell, build, _ in contests if cell.method == "zero-shot-embedding"}
    assert all(one.classifier.encoder is many.encoders[encoder] for (encoder, _), one in made.items())
    assert all(list(one.pool) == many.pools[pool] for (_, pool), one in made.items())


def test_contestants_are_made_anew_for_each_cell(ring):
    """Prevents a cell from going on with what another one trained."""
    ring = dataclasses.replace(ring, entries=entries(ring, ["linear-probe"]))
    contests = ring.contests()
    made = [contest.build() for contest in contests]
    assert [one.random_state for one in made] == [contest.cell.seed for contest in contests]
    assert all(one.encoder is ring.encoders["E"] for one in made)
    assert contests[0].build() is not contests[0].build()
