"""What a user should look at before training: each warning a sentence that says what was found and what to do."""

from collections.abc import Iterator, Mapping, Sequence

from fewshot.data.texts import Label
from fewshot.encoders.bundled import NAME as BUNDLED
from fewshot.recipes.sources import OFTEN_EMPTY
from fewshot.recipes.task_facts import TaskFacts

ENOUGH = 8
"""Labels of a class from which on this project has figures."""

_NAMED = 5
_IMBALANCED = 10
_LONG_SHARE = 0.1
_FEW_TEST_TEXTS = 400
_MULTILINGUAL = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"


def warnings_of(facts: TaskFacts, n_held_out: int | None = None) -> list[str]:
    """Return what to look at, gravest first.

    Parameters
    ----------
    facts : TaskFacts
    n_held_out : int, optional
        Labelled texts that a comparison would hold out as a test set.
    """
    parts = (_labels(facts), _names(facts), _texts(facts), _encoder(facts), _test_set(facts, n_held_out))
    return [warning for part in parts for warning in part]


def what_to_label(facts: TaskFacts) -> str | None:
    """Return in a line how many texts to label next and of which classes; ``None`` if each has enough."""
    if not facts.n_classes:
        return f"label {ENOUGH} texts of each class"
    lacking = {name: ENOUGH - count for name, count in facts.class_counts.items() if count < ENOUGH}
    if not lacking:
        return None
    total = sum(lacking.values())
    if facts.n_labeled == 0:
        return f"label {ENOUGH} texts of each of the {facts.n_classes} classes, {total} in all"
    first = sorted(lacking.items(), key=lambda item: -item[1])
    named = ", ".join(f"{n} of {name!r}" for name, n in first[:_NAMED])
    others = f" and some of {len(first) - _NAMED} other classes" if len(first) > _NAMED else ""
    return f"label {named}{others}, {total} in all: then each class has {ENOUGH}, where the figures here begin"


def _labels(facts: TaskFacts) -> Iterator[str]:
    few = [name for name, count in facts.class_counts.items() if count < ENOUGH]
    if facts.n_labeled and few:
        yield f"{_some(few, facts.class_counts)}: fewer than {ENOUGH} labels; what is said of them is a guess"
    most = max(facts.class_counts.values(), default=0)
    if facts.fewest and most >= _IMBALANCED * facts.fewest:
        yield (
            f"the most frequent class has {most:,} texts, the rarest {facts.fewest:,}: look at macro F1, and try "
            "fewshot train … --class-weight balanced"
        )
    if facts.n_without_class > OFTEN_EMPTY * facts.n_labeled:
        yield (
            f"{facts.n_without_class:,} of {facts.n_labeled:,} texts have an empty list of labels, which was read as "
            "'none applies'; if they are not labelled yet, add --empty-labels unlabeled"
        )
    if facts.cleaning.conflicting:
        yield (
            f"{facts.cleaning.conflicting:,} rows were left out, the same text with other labels: decide which is right"
        )
    others = facts.cleaning.duplicates + facts.cleaning.empty + facts.cleaning.over_long
    if others:
        yield (
            f"{others:,} rows were left out: {facts.cleaning.duplicates:,} duplicates, {facts.cleaning.empty:,} empty, "
            f"{facts.cleaning.over_long:,} over-long"
        )


def _names(facts: TaskFacts) -> Iterator[str]:
    if facts.codes:
        yield (
            f"{_some(facts.codes)}: class names that are no words tell a method nothing; put them into words in a JSON "
            "file (--label-words)"
        )


def _texts(facts: TaskFacts) -> Iterator[str]:
    encoding = facts.encoding
    if encoding.beyond_256 > _LONG_SHARE:
        counted = "" if encoding.counted else " (guessed from words)"
        yield (
            f"{encoding.beyond_256:.0%} of the texts are longer than 256 tokens, {encoding.beyond_512:.0%} longer than "
            f"512{counted}: most encoders read the start only; --long-texts chunk reads all at twice the time, and was "
            "no better on issues of NLBSE'24"
        )
    if facts.pool_note:
        yield facts.pool_note


def _encoder(facts: TaskFacts) -> Iterator[str]:
    encoding = facts.encoding
    if encoding.language_note:
        yield f"{encoding.language_note}, such as --encoder {_MULTILINGUAL}"
    if not encoding.at_hand:
        install = ": pip install 'fewshot[bundled]'" if encoding.name == BUNDLED else ", or take --encoder bundled"
        yield f"the encoder {encoding.name!r} is not on this machine and needs a network{install}"


def _test_set(facts: TaskFacts, n_held_out: int | None) -> Iterator[str]:
    n = n_held_out if facts.n_test is None else facts.n_test
    if n and n < _FEW_TEST_TEXTS:
        which = "the test set has" if facts.n_test else "without --test a comparison holds out"
        yield (
            f"{which} {n} text{'s' if n > 1 else ''}: an accuracy on so few is uncertain by up to ±{50 / n**0.5:.0f} "
            "points (one standard error)"
        )


def _some(names: Sequence[Label], counts: Mapping[Label, int] | None = None) -> str:
    """Name the first few classes, with their counts."""
    shown = [f"{name!r}" + (f" ({counts[name]})" if counts else "") for name in names[:_NAMED]]
    return ", ".join(shown) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
