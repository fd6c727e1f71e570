"""Labelled texts that rungs are judged on."""

from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.recipes.shrink_judge import load_labeled
from fewshot.recipes.sources import Reading


def test_classes_are_called_as_the_model_calls_them(tmp_path):
    """A CSV knows strings alone: prevents a model of integer classes from being right about nothing."""
    texts = ["a red apple", "a green apple", "an old hammer", "a new hammer"]
    (tmp_path / "test.csv").write_text("text,label\n" + "".join(f"{text},{n // 2}\n" for n, text in enumerate(texts)))
    model = NaiveBayesClassifier().fit(texts, [0, 0, 1, 1])
    data = load_labeled(str(tmp_path / "test.csv"), model, Reading(), "test")
    assert data.labels == [0, 0, 1, 1]
    assert model.score(data.texts, data.labels) == 1
    several = NaiveBayesClassifier().fit(texts, [[0], [0, 1], [1], [1, 0]])
    (tmp_path / "tags.csv").write_text("text,labels\n" + "".join(f"{text},0|1\n" for text in texts))
    assert load_labeled(str(tmp_path / "tags.csv"), several, Reading(), "test").labels == [(0, 1)] * 4
