"""The one table of methods."""

import pytest

from fewshot.classifiers.prompt import PromptClassifier
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.recipes.method import Surroundings
from fewshot.recipes.method_table import ALL, METHODS, NAMES
from fewshot.recipes.methods import AUGMENT, choose_methods, find_method, make_classifier, split_by_labels


@pytest.mark.parametrize("name", NAMES)
def test_every_name_makes_a_classifier(name: str, tiny_encoder) -> None:
    """A name that the help lists and the table cannot make would fail hours into a comparison."""
    made = make_classifier(name, Surroundings(tiny_encoder, ["a pool text"], None, 3, adapted=lambda: tiny_encoder))
    assert callable(made.fit)
    assert callable(made.predict)


def test_every_row_of_the_table_has_a_name() -> None:
    """A row nobody can reach would never be compared; the slow reference is run where it is asked for by name."""
    assert {find_method(name)[0].name for name in NAMES} == {method.name for method in METHODS}
    assert set(NAMES) - set(ALL) == {"setfit-reference"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["knm"], "Did you mean 'knn'"),
        (["distilled:"], "argument"),
        (["distilled:static"], "--unlabeled"),
        (["distilled:static+augment"], "--unlabeled"),
        (["setfit+augmen"], r"Did you mean 'setfit\+augment'"),
        (
            ["knn+augment"],
            "'knn' does not learn from copies of texts; known: naive-bayes.augment, linear-probe.augment",
        ),
        (["setfit-reference+augment"], "'setfit-reference' does not learn from copies"),
        (["+augment"], r"unknown method '\+augment'"),
        ([], "at least"),
    ],
)
def test_names_that_cannot_run_are_refused_at_the_door(names: list[str], message: str) -> None:
    """Found after the cheap methods ran, a misspelt one costs the user an hour."""
    with pytest.raises(InputError, match=message):
        choose_methods(names, has_pool=False)


def test_a_model_is_named_after_the_method(tmp_path) -> None:
    """A folder read as a method's name, or dropped, would train another model than the one named."""
    named = str(tmp_path / "bert")
    around = Surroundings(None, [], "cpu", 3)
    assert find_method(f"prompt:{named}")[1] == named
    made = make_classifier(f"prompt:{named}", around)
    assert (made.model, made.device, made.random_state) == (named, "cpu", 3)
    assert make_classifier("prompt", around).model == PromptClassifier().model
    for wrong in ("prompt:", "knn:x", "prompts:x"):
        with pytest.raises(InputError, match="unknown method"):
            find_method(wrong)


def test_a_method_without_its_model_is_left_out() -> None:
    """All that is applicable must not ask the Hub for a model that nobody named, nor drop one that somebody did."""
    chosen, left_out = choose_methods(["all-applicable"], has_pool=True)
    assert "prompt" not in chosen
    assert "or a folder: prompt:FOLDER" in left_out["prompt"]
    for names in (["all-applicable", "prompt:x"], ["prompt:x", "all-applicable"]):
        chosen, left_out = choose_methods(names, has_pool=True)
        assert "prompt:x" in chosen
        assert left_out["prompt"] == "it is named with a model of its own"
    assert choose_methods(["prompt"], has_pool=False) == (["prompt"], {})


def test_a_name_given_twice_runs_once() -> None:
    """Two cells with one key would overwrite each other."""
    assert choose_methods(["knn", "knn", "all-applicable"], has_pool=True)[0].count("knn") == 1


def test_a_name_may_have_an_argument() -> None:
    """A folder that is taken for another method, or lost, would compare the wrong model."""
    method, argument = find_method("zero-shot-nli:models/nli:v1")
    assert (method.name, argument) == ("zero-shot-nli[:]", "models/nli:v1")
    assert make_classifier("zero-shot-nli:models/nli", Surroundings(None, [], None, 0)).model == "models/nli"
    assert find_method("zero-shot-nli") == (method, "")
    for wrong in ("zero-shot-nli:", "zero-shot-nli[:]", "knn:3"):
        with pytest.raises(InputError, match=r"unknown method|needs an argument"):
            find_method(wrong)


def test_zero_shot_methods_are_told_the_names(tiny_encoder) -> None:
    """Without any labelled text they would know no class."""
    around = Surroundings(tiny_encoder, [], None, 0, LabelSpace(("a", "b"), True))
    for name in ("zero-shot-nli", "zero-shot-embedding"):
        made = make_classifier(name, around)
        assert (made.classes, made.multi_label) == (("a", "b"), True)
        assert not find_method(name)[0].needs_labels


def test_all_applicable_downloads_nothing(monkeypatch, tmp_path) -> None:
    """A comparison of everything must not fetch a gigabyte, nor fail in every cell where there is no network."""
    chosen, left_out = choose_methods(["all-applicable"], has_pool=False)
    assert "zero-shot-embedding" in chosen
    assert "zero-shot-nli" not in chosen
    assert "zero-shot-nli:FOLDER" in left_out["zero-shot-nli"]
    chosen, left_out = choose_methods(["all-applicable", "zero-shot-nli:folder"], has_pool=False)
    assert chosen[-1] == "zero-shot-nli:folder"
    assert left_out["zero-shot-nli"] == "it is named with a model of its own"
    assert choose_methods(["zero-shot-nli"], has_pool=False) == (["zero-shot-nli"], {})
    assert "zero-shot-nli" in choose_methods(["zero-shot-nli", "all-applicable"], has_pool=False)[0]
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *args: str(tmp_path / "config.json"))
    assert "zero-shot-nli" in choose_methods(["all-applicable"], has_pool=False)[0]


def test_who_runs_without_labels() -> None:
    """A method that learns from labels would fail in every cell of slice 0."""
    without, others = split_by_labels(["knn", "zero-shot-embedding", "zero-shot-nli:x"])
    assert without == ["zero-shot-embedding", "zero-shot-nli:x"]
    assert others == {"knn": "at slice 0, where there is no label to learn from"}
    with pytest.raises(InputError, match="no method that runs without labels"):
        split_by_labels(["knn"])


@pytest.mark.parametrize("name", [name for name in NAMES if find_method(name)[0].augments])
def test_the_augmented_variant_is_the_method_with_copies(name: str, tiny_encoder) -> None:
    """A variant that trains without copies would be compared with itself; the plain method must stay without."""
    around = Surroundings(tiny_encoder, ["a pool text"], None, 3, adapted=lambda: tiny_encoder)
    plain, variant = make_classifier(name, around), make_classifier(name + AUGMENT, around)
    assert type(plain) is type(variant)
    learners = [getattr(made, "teacher", getattr(made, "classifier", made)) for made in (plain, variant)]
    assert [learner.augment for learner in learners] == [None, "tokens"]
    assert {learner.random_state for learner in learners} == {3}
    assert getattr(variant, "student", "") == getattr(plain, "student", "")


def test_augmented_variants_run_where_they_are_named() -> None:
    """A comparison of all methods would take twice as long, and one of named ones would miss some."""
    assert not [name for name in choose_methods(["all-applicable"], has_pool=True)[0] if name.endswith(AUGMENT)]
    chosen = ["naive-bayes", "naive-bayes+augment"]
    assert choose_methods(chosen, has_pool=False)[0] == chosen
