"""What a decision tree is made of, and the walk through it: questions, branches, leaves, and the path that was taken.

What is asked, and what is suggested where, is left to ``decision_tree``.
"""

import dataclasses
from collections.abc import Callable, Iterator

from fewshot.core.errors import InputError
from fewshot.recipes.methods import find_method
from fewshot.recipes.task_facts import TaskFacts


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """A method worth trying.

    Parameters
    ----------
    method : str
        As on the command line.
    reason : str
        Why, in a sentence.
    basis : str
        What the reason rests on: figures of this project, a paper, or "not measured here".
    """

    method: str
    reason: str
    basis: str

    @property
    def is_known(self) -> bool:
        """Whether this version has the method."""
        try:
            find_method(self.method)
        except InputError:
            return False
        return True


@dataclasses.dataclass(frozen=True)
class Leaf:
    """Where a path ends.

    Parameters
    ----------
    key : str
    summary : str
        What to do, in a few words.
    suggestions : tuple of Suggestion
        Best first.
    """

    key: str
    summary: str
    suggestions: tuple[Suggestion, ...]


@dataclasses.dataclass(frozen=True)
class Branch:
    """One answer to a question.

    Parameters
    ----------
    answer : str
    holds : callable
        ``holds(facts)``: whether this is the answer. The first branch that holds is taken.
    then : Question or Leaf
    """

    answer: str
    holds: Callable[[TaskFacts], bool]
    then: "Question | Leaf"


@dataclasses.dataclass(frozen=True)
class Question:
    """Where a path forks.

    Parameters
    ----------
    key : str
    text : str
    why : str
        Why this is asked, and where its limits come from.
    found : callable
        ``found(facts)``: what the facts say, in words.
    branches : tuple of Branch
        The last one holds always.
    """

    key: str
    text: str
    why: str
    found: Callable[[TaskFacts], str]
    branches: tuple[Branch, ...]


@dataclasses.dataclass(frozen=True)
class Step:
    """One question of a path, as it was answered.

    Parameters
    ----------
    question : Question
    branch : Branch
    found : str
        What the facts said.
    """

    question: Question
    branch: Branch
    found: str


@dataclasses.dataclass(frozen=True)
class Decision:
    """A path through the tree.

    Parameters
    ----------
    steps : tuple of Step
    leaf : Leaf
    """

    steps: tuple[Step, ...]
    leaf: Leaf

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the questions and of the leaf, in order."""
        return (*(step.question.key for step in self.steps), self.leaf.key)


def decide(facts: TaskFacts, tree: Question) -> Decision:
    """Walk through the tree with the facts of a task.

    Parameters
    ----------
    facts : TaskFacts
    tree : Question

    Returns
    -------
    Decision
    """
    node: Question | Leaf = tree
    steps = []
    while isinstance(node, Question):
        branch = next(branch for branch in node.branches if branch.holds(facts))
        steps.append(Step(node, branch, node.found(facts)))
        node = branch.then
    return Decision(tuple(steps), node)


def walk(node: Question | Leaf) -> Iterator[Question | Leaf]:
    """Give every question and leaf, parents first.

    Examples
    --------
    >>> end = Leaf("end", "", ())
    >>> fork = Question("fork", "Which?", "", lambda facts: "", (Branch("any", lambda facts: True, end),))
    >>> [node.key for node in walk(fork)]
    ['fork', 'end']
    """
    yield node
    for branch in node.branches if isinstance(node, Question) else ():
        yield from walk(branch.then)
