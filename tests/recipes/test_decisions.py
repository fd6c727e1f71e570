"""The walk through a tree of questions."""

from fewshot.recipes.decisions import Branch, Leaf, Question, Suggestion, decide, walk
from tests.recipes.task_cases import facts

SMALL, LARGE = Leaf("small", "label more", ()), Leaf("large", "train", (Suggestion("setfit", "r", "b"),))
FORK = Question(
    "size",
    "How many?",
    "because",
    lambda found: f"{found.n_labeled} labels",
    (Branch("few", lambda found: found.n_labeled < 10, SMALL), Branch("more", lambda found: True, LARGE)),
)


def test_the_first_branch_that_holds_is_taken():
    """A later branch that also holds must not win: limits are written from below."""
    assert decide(facts(n_labeled=9), FORK).leaf is SMALL
    decision = decide(facts(n_labeled=10), FORK)
    assert decision.leaf is LARGE
    assert decision.keys == ("size", "large")
    (step,) = decision.steps
    assert (step.found, step.branch.answer) == ("10 labels", "more")


def test_walk_gives_parents_first():
    """A view that misses a node would hide a rule."""
    assert [node.key for node in walk(FORK)] == ["size", "small", "large"]


def test_a_suggestion_knows_whether_this_version_has_it():
    """A method that cannot be run must not be recommended; nor must one that can be left out."""
    assert Suggestion("distilled:layers:3", "", "").is_known
    assert not Suggestion("magic", "", "").is_known
