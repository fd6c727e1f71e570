"""The one table of methods."""

import pytest

from fewshot.core.errors import InputError
from fewshot.recipes.methods import (
    ALL,
    AUGMENT,
    METHODS,
    NAMES,
    Surroundings,
    choose_methods,
    find_method,
    make_classifier,
)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_makes_a_classifier(name: str, tiny_encoder) -> None:
    """A name that the help lists and the table cannot make would fail hours into a comparison."""
    made = make_classifier(name, Surroundings(tiny_encoder, ["a pool text"], None, 3))
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


def test_a_name_given_twice_runs_once() -> None:
    """Two cells with one key would overwrite each other."""
    assert choose_methods(["knn", "knn", "all-applicable"], has_pool=True)[0].count("knn") == 1


@pytest.mark.parametrize("name", [name for name in NAMES if find_method(name)[0].augments])
def test_the_augmented_variant_is_the_method_with_copies(name: str, tiny_encoder) -> None:
    """A variant that trains without copies would be compared with itself; the plain method must stay without."""
    around = Surroundings(tiny_encoder, ["a pool text"], None, 3)
    plain, variant = make_classifier(name, around), make_classifier(name + AUGMENT, around)
    assert type(plain) is type(variant)
    learners = [getattr(made, "teacher", made) for made in (plain, variant)]
    assert [learner.augment for learner in learners] == [None, "tokens"]
    assert {learner.random_state for learner in learners} == {3}
    assert getattr(variant, "student", "") == getattr(plain, "student", "")


def test_augmented_variants_run_where_they_are_named() -> None:
    """A comparison of all methods would take twice as long, and one of named ones would miss some."""
    assert not [name for name in choose_methods(["all-applicable"], has_pool=True)[0] if name.endswith(AUGMENT)]
    chosen = ["naive-bayes", "naive-bayes+augment"]
    assert choose_methods(chosen, has_pool=False)[0] == chosen
