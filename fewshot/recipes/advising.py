"""Before all journeys, *advise*: what the data and the machine are like, which methods to try, and the commands."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fewshot.classifiers.templates import check_descriptions
from fewshot.core.artifacts import read_json, write_json
from fewshot.recipes.advised_commands import BASELINES, Command, Files, Writer
from fewshot.recipes.advised_slices import choose_slices
from fewshot.recipes.data_warnings import warnings_of, what_to_label
from fewshot.recipes.decision_tree import TREE
from fewshot.recipes.decisions import Decision, Suggestion, decide
from fewshot.recipes.machine import Machine, look_at_machine
from fewshot.recipes.sources import Reading
from fewshot.recipes.task_facts import TaskFacts
from fewshot.recipes.task_reading import read_task
from fewshot.recipes.training_cost import MEASURED_ON, Workload, in_words, training_seconds
from fewshot.recipes.tree_views import plot_decision_tree

MOST_METHODS = 4
ADVICE, PICTURE = "advice.json", "tree.png"


@dataclasses.dataclass(frozen=True)
class Recommended:
    """A method to try.

    Parameters
    ----------
    method, reason, basis : str
        See :class:`~fewshot.recipes.decisions.Suggestion`.
    cost : str
        Order of magnitude of its training on all labels, as measured on two cores.
    """

    method: str
    reason: str
    basis: str
    cost: str


@dataclasses.dataclass(frozen=True)
class Advice:
    """What to try, and why.

    Parameters
    ----------
    facts : TaskFacts
    decision : Decision
        The path through the tree.
    methods : tuple of Recommended
        At most four, best first; all of them are in this version.
    also : tuple of str
        Further methods of the leaf that this version has.
    missing : tuple of str
        Methods of the leaf that this version has not.
    warnings : tuple of str
    to_label : str or None
        How many texts to label next, and of which classes.
    commands : tuple of Command
        What to run, in order; none where texts came from memory.
    hint : str or None
        What can be done without any label.
    """

    facts: TaskFacts
    decision: Decision
    methods: tuple[Recommended, ...]
    also: tuple[str, ...]
    missing: tuple[str, ...]
    warnings: tuple[str, ...]
    to_label: str | None
    commands: tuple[Command, ...]
    hint: str | None

    def as_json(self) -> dict[str, Any]:
        """Return all of it as values for JSON."""
        steps = [
            {
                "question": step.question.text,
                "found": step.found,
                "answer": step.branch.answer,
                "why": step.question.why,
            }
            for step in self.decision.steps
        ]
        return {
            "facts": self.facts.as_json(),
            "path": steps,
            "leaf": self.decision.leaf.key,
            "summary": self.decision.leaf.summary,
            "baselines": list(BASELINES),
            "methods": [dataclasses.asdict(method) for method in self.methods],
            "also": list(self.also),
            "missing": list(self.missing),
            "costs_measured_on": MEASURED_ON,
            "warnings": list(self.warnings),
            "to_label": self.to_label,
            "commands": [dataclasses.asdict(command) for command in self.commands],
            "hint": self.hint,
        }

    def write(self, folder: str | Path) -> None:
        """Write ``advice.json``, and ``tree.png`` with the path drawn strong."""
        folder = Path(folder)
        plot_decision_tree(folder / PICTURE, self.decision.keys)
        write_json(folder / ADVICE, self.as_json())


def advise(
    labeled: Any,
    unlabeled: Any = None,
    *,
    test: Any = None,
    classes: Sequence[str] | None = None,
    label_words: str | Path | None = None,
    encoder: str | None = None,
    reading: Reading | None = None,
    machine: Machine | None = None,
) -> Advice:
    """Look at texts and machine, and say which methods to try.

    Nothing is trained, no encoder is opened, no network is asked.

    Parameters
    ----------
    labeled : str, Path, DataFrame, Dataset or TextData
        See :func:`fewshot.load_texts`. Rows without a label count as pool; there may be no label at all.
    unlabeled : like ``labeled``, optional
        The pool.
    test : like ``labeled``, optional
        Labelled texts to score on.
    classes : sequence of str, optional
        All class names, where no label names them.
    label_words : str or Path, optional
        JSON file, class → words for it, where names are codes; or several texts a class, which only zero-shot methods
        take.
    encoder : str, optional
        Default: the default teacher if a copy is cached, else ``bundled``.
    reading : Reading, optional
        How to read files.
    machine : Machine, optional
        Default: this one.

    Returns
    -------
    Advice

    Raises
    ------
    SourceNotFoundError
        If a file is not there.
    InputError
        If a file cannot be read, there is one class only, or ``classes`` leaves one out.

    Examples
    --------
    >>> rows = [{"text": f"{word} number {i}", "label": word} for word in ("refund", "delivery") for i in range(8)]
    >>> advice = advise(rows)
    >>> advice.decision.leaf.key, [method.method for method in advice.methods][:2]
    ('few-labels', ['setfit', 'linear-probe'])
    """
    reading = reading or Reading()
    words = {} if label_words is None else read_json(label_words)
    check_descriptions(words)
    task = read_task(
        labeled,
        unlabeled,
        test,
        classes=classes,
        label_words=tuple(words),
        encoder=encoder,
        reading=reading,
        machine=machine or look_at_machine(),
    )
    decision = decide(task.facts, TREE)
    known = [suggestion for suggestion in decision.leaf.suggestions if suggestion.is_known]
    shown = known[:MOST_METHODS]
    slices = choose_slices(task)
    files = _files(labeled, unlabeled, test, label_words)
    writer = None if files is None else Writer(files, task, reading, slices)
    return Advice(
        facts=task.facts,
        decision=decision,
        methods=tuple(_recommended(one, task.facts) for one in shown),
        also=tuple(one.method for one in known[MOST_METHODS:]),
        missing=tuple(one.method for one in decision.leaf.suggestions if not one.is_known),
        warnings=tuple(warnings_of(task.facts, None if slices is None else slices.n_held_out)),
        to_label=what_to_label(task.facts),
        commands=() if writer is None else tuple(writer.commands([one.method for one in shown])),
        hint=None if writer is None or task.facts.n_labeled else writer.hint_without_labels(),
    )


def _files(labeled: Any, unlabeled: Any, test: Any, label_words: Any) -> Files | None:
    """Return the names of the files, if all of them have one."""
    sources = (labeled, unlabeled, test, label_words)
    if not all(source is None or isinstance(source, (str, Path)) for source in sources):
        return None
    return Files(str(labeled), *(None if source is None else str(source) for source in sources[1:]))


def _recommended(suggestion: Suggestion, facts: TaskFacts) -> Recommended:
    work = Workload(facts.n_labeled, facts.n_pool, facts.words["mean"])
    cost = in_words(training_seconds(suggestion.method, work))
    return Recommended(suggestion.method, suggestion.reason, suggestion.basis, cost)
