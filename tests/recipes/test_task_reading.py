"""What is counted before anything is trained."""

import numpy as np
import pytest

from fewshot.core.errors import DataWarning, InputError
from fewshot.recipes.task_reading import look_at_encoder, read_task
from tests.recipes.task_cases import FAR_THEME, LAPTOP, labeled_rows, pool_rows


def count(*sources, **settings):
    """Return the facts of files."""
    return read_task(*sources, machine=LAPTOP, **settings).facts


def test_labels_classes_and_pool_are_counted():
    """Unlabelled rows among the labelled ones are pool; copies of labelled and test texts are not."""
    rows = labeled_rows(4) + pool_rows(5)
    test = [{"text": f"a test {i}", "label": "login"} for i in range(2)]
    with pytest.warns(DataWarning, match="copies of excluded texts"):
        found = count(rows, pool_rows(30) + labeled_rows(4) + test, test)
    assert (found.n_labeled, found.n_pool, found.n_test) == (12, 30, 2)
    assert (found.n_classes, found.fewest, found.median) == (3, 4, 4)
    assert not found.multi_label


def test_a_labelled_test_text_is_no_label():
    """What a comparison leaves out must not be counted, or the slices would be too large."""
    rows = labeled_rows(3)
    with pytest.warns(DataWarning, match="also in"):
        found = count(rows, None, rows[:1])
    assert found.n_labeled == 8


def test_a_large_pool_is_counted_whole(monkeypatch):
    """Only a sample is looked at; its size must not be taken for the pool's."""
    monkeypatch.setattr("fewshot.recipes.task_reading.POOL_SAMPLE", 10)
    assert count(labeled_rows(2), pool_rows(75)).n_pool == 75


def test_classes_that_have_no_text_count():
    """A class that was forgotten so far is the first to be labelled."""
    found = count(labeled_rows(2), classes=["refund", "delivery", "login", "other"])
    assert (found.n_classes, found.fewest, found.class_counts["other"]) == (4, 0, 0)
    numbers = count([{"text": "a", "label": 1}, {"text": "b", "label": 2}], classes=["1", "2"])
    assert numbers.class_counts == {1: 1, 2: 1}


@pytest.mark.parametrize(
    ("rows", "classes", "message"),
    [
        (labeled_rows(3, ("refund",)), None, "one class only, 'refund'"),
        (pool_rows(3), ["refund"], "one class only"),
        (labeled_rows(3), ["refund", "login", "delivry"], "leave out 'delivery', which 3 texts have"),
    ],
)
def test_classes_that_cannot_be_are_refused(rows, classes, message):
    """Advice on one class, or on a misspelt one, would be nonsense."""
    with pytest.raises(InputError, match=message):
        count(rows, classes=classes)


def test_one_label_is_enough_where_none_may_apply():
    """Multi-label data with one label ask: does it apply or not?"""
    found = count([{"text": "a", "labels": ["x"]}, {"text": "b", "labels": []}])
    assert (found.multi_label, found.n_classes, found.n_without_class) == (True, 1, 1)


def test_words_for_codes_make_names_of_them():
    """Who has put the codes into words can use methods that read names."""
    rows = labeled_rows(2, ("LOC", "HUM", "NUM"))
    assert not count(rows).names_are_words
    assert count(rows, label_words=("LOC", "HUM")).names_are_words
    assert count(rows).codes == ("HUM", "LOC", "NUM")


def test_the_likeness_of_the_pool():
    """A pool of verses under labels on parcels must be seen; one of the same kind must not alarm; few say nothing."""
    rows = labeled_rows(40)
    assert count(rows, pool_rows(300, FAR_THEME)).pool_note is not None
    order = np.random.default_rng(0).permutation(len(rows))
    near = count([rows[i] for i in order[:60]], [{"text": rows[i]["text"]} for i in order[60:]])
    assert near.distance is not None
    assert near.pool_note is None
    assert count(labeled_rows(3), pool_rows(300)).distance is None


def test_long_texts_are_seen_with_and_without_a_tokenizer(tiny_folder):
    """What an encoder does not read cannot decide; without its tokenizer words must do."""
    texts = ["refund " * 600, "refund " * 300, "refund", "refund"]
    by_tokens = look_at_encoder(str(tiny_folder), texts)
    assert (by_tokens.beyond_256, by_tokens.beyond_512, by_tokens.counted, by_tokens.at_hand) == (0.5, 0.25, True, True)
    by_words = look_at_encoder("nobody/has-this", texts)
    assert (by_words.beyond_256, by_words.beyond_512, by_words.counted, by_words.at_hand) == (0.5, 0.25, False, False)
