"""Opening models of every kind for a benchmark, and their class names."""

import numpy as np
import pytest

from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError
from fewshot.data.texts import TextData
from fewshot.recipes.contenders import local_folder, open_contender, open_model
from tests.conftest import TOPICS
from tests.distillation.sequence_folders import change_config, write_classifier
from tests.recipes.benchmark_cases import judge_texts

NAMES = sorted(TOPICS)


@pytest.fixture
def of_transformers(tmp_path, tiny_tokenizer):
    """Write a folder of transformers whose outputs have these names."""
    return lambda labels, **config: write_classifier(tmp_path / "bert", tiny_tokenizer, labels, **config)


def test_a_folder_of_transformers(of_transformers, single):
    """Prevents answers by the number of an output, or in the order of the alphabet where the model has another."""
    folder = of_transformers(["login", "billing", "delivery"])
    opened = open_contender("bert", folder, judge_texts(single), device="cpu")
    said = opened.contender.answer(single.test_texts)
    model = SequenceClassifier.from_pretrained(folder, device="cpu")
    assert said.labels == model.predict(single.test_texts).tolist()
    assert list(opened.contender.classes) == NAMES
    np.testing.assert_array_equal(said.probabilities, model.predict_proba(single.test_texts))
    assert opened.folder == folder
    assert opened.notes == []


def test_other_names_need_a_map(of_transformers, single):
    """Prevents an accuracy of 0 that is a matter of names alone."""
    folder = of_transformers(["LABEL_0", "LABEL_1", "LABEL_2"])
    with pytest.raises(InputError, match=r"knows none of the classes in toy.*'LABEL_0'.*'billing'.*--model-labels"):
        open_contender("bert", folder, judge_texts(single), device="cpu")
    names = {f"LABEL_{number}": name for number, name in enumerate(["login", "billing", "delivery"])}
    opened = open_contender("bert", folder, judge_texts(single), model_labels=names, device="cpu")
    said = opened.contender.answer(single.test_texts)
    raw = SequenceClassifier.from_pretrained(folder, device="cpu").predict(single.test_texts)
    assert said.labels == [names[label] for label in raw]
    columns = [opened.contender.classes[column] for column in said.probabilities.argmax(axis=1)]
    assert columns == said.labels
    with pytest.raises(InputError, match="two classes of model 'bert' would have one name"):
        open_contender("bert", folder, judge_texts(single), model_labels=dict.fromkeys(names, "login"), device="cpu")


def test_a_folder_of_setfit(tiny_model, single, tmp_path):
    """Prevents that only our own folders take part."""
    setfit = pytest.importorskip("setfit")
    from copy import deepcopy

    from sklearn.linear_model import LogisticRegression

    model = setfit.SetFitModel(model_body=deepcopy(tiny_model), model_head=LogisticRegression(), labels=NAMES)
    model.fit(single.texts, [NAMES.index(label) for label in single.labels], num_epochs=1)
    model.create_model_card = lambda *args, **kwargs: None
    (tmp_path / "setfit").mkdir()
    model._save_pretrained(tmp_path / "setfit")
    opened = open_contender("setfit", tmp_path / "setfit", judge_texts(single), device="cpu")
    assert opened.contender.answer(single.test_texts).labels == list(model.predict(single.test_texts))


def test_a_pipeline_runs_as_it_is(of_transformers, single):
    """Prevents that a pipeline in use has to be rebuilt to be compared."""
    from transformers import pipeline

    folder = of_transformers(["login", "billing", "delivery"])
    pipe = pipeline("text-classification", model=str(folder), device="cpu")
    said = open_contender("pipe", pipe, judge_texts(single)).contender.answer(single.test_texts)
    ours = open_contender("bert", folder, judge_texts(single), device="cpu").contender.answer(single.test_texts)
    assert said.labels == ours.labels == [entry["label"] for entry in pipe(single.test_texts)]
    np.testing.assert_allclose(said.probabilities[:, [1, 2, 0]], ours.probabilities, atol=1e-5)
    assert open_contender("pipe", pipe, judge_texts(single)).contender.predict(["a"]) == [pipe("a")[0]["label"]]


def test_pipelines_of_another_kind_are_refused(of_transformers, single):
    """Prevents sigmoids that are read as decisions."""
    from transformers import pipeline

    folder = of_transformers(NAMES, problem_type="multi_label_classification")
    with pytest.raises(InputError, match="no decisions on several labels"):
        open_contender("pipe", pipeline("text-classification", model=str(folder), device="cpu"), judge_texts(single))
    with pytest.raises(InputError, match="must be for text-classification, got one for feature-extraction"):
        open_contender("pipe", pipeline("feature-extraction", model=str(folder), device="cpu"), judge_texts(single))


def test_numbers_and_their_names_are_the_same_class(single_int):
    """Prevents that a model trained on integers fails on a CSV file, in which all labels are strings."""
    model = NaiveBayesClassifier().fit(single_int.texts, single_int.labels)
    data = judge_texts(single_int)
    as_text = TextData(data.texts, [str(label) for label in data.labels], False, data.rows)
    opened = open_contender("bayes", model, as_text)
    assert set(opened.contender.answer(data.texts).labels) <= {"7", "-1", "30"}
    assert set(opened.contender.classes) == {"7", "-1", "30"}


def test_a_class_that_the_model_lacks_is_told(single):
    """Prevents a low accuracy whose reason nobody is told."""
    model = NaiveBayesClassifier().fit(single.texts, single.labels)
    data = judge_texts(single)
    odd = TextData([*data.texts, "what"], [*data.labels, "oos"], False, [*data.rows, 99])
    [note] = open_contender("bayes", model, odd).notes
    assert note.startswith("bayes does not know 1 of the 4 classes in the test set ('oos')")


def test_one_label_a_text_and_several_do_not_mix(single, multi, of_transformers):
    """Prevents exact matches of a tuple with a string, which are none."""
    model = NaiveBayesClassifier().fit(single.texts, single.labels)
    with pytest.raises(InputError, match="model 'bayes' gives one label a text, and toy has several"):
        open_contender("bayes", model, judge_texts(multi))
    folder = of_transformers(NAMES, problem_type="multi_label_classification")
    with pytest.raises(InputError, match="gives several labels a text, and toy has one"):
        open_contender("bert", folder, judge_texts(single), device="cpu")
    said = open_contender("bert", folder, judge_texts(multi), device="cpu").contender.answer(multi.test_texts)
    assert all(isinstance(labels, tuple) for labels in said.labels)


def test_what_is_no_classifier_is_said_so(tiny_folder, tmp_path, of_transformers, single):
    """Prevents a traceback from the depths of a library for a folder that holds something else."""
    with pytest.raises(SourceNotFoundError, match="no model folder"):
        local_folder(tmp_path / "nowhere")
    with pytest.raises(ModelFormatError, match=r"is no model: it has neither fewshot\.json"):
        open_model(tmp_path)
    with pytest.raises(ModelFormatError, match="is an encoder without a classifier; train one on it"):
        open_model(tiny_folder)
    folder = of_transformers(NAMES)
    change_config(folder, problem_type="regression")
    with pytest.raises(ModelFormatError, match="is for regression"):
        open_model(folder, device="cpu")


def test_probabilities_of_another_shape_are_left_alone(single):
    """Prevents a crash on what scikit-learn gives for several outputs: a list of arrays."""

    class Odd:
        classes_ = NAMES

        def predict(self, texts):
            return ["login"] * len(texts)

        def predict_proba(self, texts):
            return np.ones((len(texts), 2))

    assert open_contender("odd", Odd(), judge_texts(single)).contender.answer(["a"]).probabilities is None
