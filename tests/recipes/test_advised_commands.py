"""The commands that are printed can be run as they are."""

import shlex

import pytest
import typer

from fewshot.cli.main import app
from fewshot.core.errors import InputError
from fewshot.recipes.advised_commands import Files, Writer
from fewshot.recipes.advised_slices import choose_slices
from fewshot.recipes.comparison import CompareSettings, compare_methods
from fewshot.recipes.sources import Reading
from fewshot.recipes.task_reading import Task, read_task
from tests.recipes.task_cases import LAPTOP, labeled_rows, pool_rows

METHODS = ["setfit", "linear-probe", "distilled:static", "distilled:layers:3"]


def task_of(rows, *others, **settings):
    """Return the task that files hold."""
    return read_task(rows, *others, machine=LAPTOP, **settings)


def parsed(line: str) -> tuple[str, dict]:
    """Parse a printed line as the shell and the command line do, without running it."""
    program, verb, *arguments = shlex.split(line)
    assert program == "fewshot"
    command = typer.main.get_command(app).commands[verb]
    context = command.make_context(verb, arguments)
    return verb, context.params


def written(task: Task, *, reading: Reading | None = None, methods=METHODS, **files):
    """Return the commands for methods and file names."""
    files = {"labeled": "my labels.csv"} | files
    return Writer(Files(**files), task, reading or Reading(), choose_slices(task)).commands(methods)


def test_the_commands_are_parsed_as_they_are_meant():
    """A flag that the verb does not know, or a name cut at its space, fails on the first try."""
    reading = Reading(text=("the title", "body"), label="kind", label_separator=";", encoding="cp1252")
    task = task_of(labeled_rows(16), pool_rows(60))
    files = {"unlabeled": "a pool.csv:rest", "test": "it's.csv", "label_words": "words.json"}
    commands = [parsed(command.line) for command in written(task, reading=reading, **files)]
    assert [verb for verb, _ in commands] == ["compare", "train", "distill", "distill"]
    for verb, given in commands:
        assert given["text"] == ["the title", "body"]
        assert (given["label"], given["label_separator"], given["encoding"]) == ("kind", ";", "cp1252")
        assert verb == "distill" or given["encoder"] == task.facts.encoding.name
        assert given["labeled"] == "my labels.csv"
    compare, train, *distil = [given for _, given in commands]
    assert (compare["test"], compare["methods"]) == ("it's.csv", "naive-bayes,setfit,linear-probe")
    assert not compare["unlabeled"], "none of these methods looks at a pool"
    assert compare["label_words"] == "words.json"
    assert (train["method"], train["label_words"], train["out"]) == ("setfit", "words.json", "runs/teacher")
    assert [given["student"] for given in distil] == ["static", "layers:3"]
    assert all((given["teacher"], given["unlabeled"]) == (["runs/teacher"], "a pool.csv:rest") for given in distil)
    assert len({given["out"] for given in distil}) == 2


def test_every_comparison_has_its_baselines_once():
    """A method that beats nothing looks as good as one that beats all; one that is named twice is a needless word."""
    for methods in (["setfit"], ["linear-probe", "setfit"], ["setfit", "naive-bayes"]):
        compared = parsed(written(task_of(labeled_rows(16)), methods=methods)[0].line)[1]["methods"].split(",")
        assert sorted(compared) == ["linear-probe", "naive-bayes", "setfit"]


def test_plain_files_need_no_flags():
    """A line full of defaults hides what matters."""
    line = written(task_of(labeled_rows(16)), labeled="a.csv", methods=["linear-probe"])[1].line
    assert line.startswith("fewshot train a.csv --method linear-probe --encoder ")
    assert line.endswith(" --out runs/teacher")
    described = written(task_of(labeled_rows(16)), methods=["linear-probe"], label_words="words.json")
    assert not any("--label-words" in command.line for command in described), "neither reads words"


def test_a_pool_inside_the_labelled_file_is_named_for_distilling():
    """Unlabelled rows beside the labels are pool, but distill must be told the file."""
    task = task_of(labeled_rows(16) + pool_rows(60))
    *_, last = written(task, labeled="a.csv")
    assert parsed(last.line)[1]["unlabeled"] == "a.csv"


def test_a_method_with_a_pool_is_given_it_but_does_not_teach():
    """compare refuses a method whose pool is missing; train takes no pool."""
    task = task_of(labeled_rows(16), pool_rows(60))
    compare, train, _ = written(task, unlabeled="pool.csv", methods=["knn", "distilled:static"])
    assert not parsed(compare.line)[1]["unlabeled"]
    assert parsed(train.line)[1]["method"] == "knn"


@pytest.mark.parametrize("rows", [pool_rows(5), labeled_rows(1)[:1] + pool_rows(4)])
def test_too_few_labels_are_not_compared(rows):
    """A comparison that must fail is not suggested."""
    task = task_of(rows, classes=["refund", "delivery"])
    assert choose_slices(task) is None
    assert [command for command in written(task) if " compare " in command.line] == []
    with pytest.raises(InputError):
        compare_methods(rows, out="unused", methods=("naive-bayes",), slices=(1,))


def test_a_class_without_a_text_does_not_hinder_training():
    """Whoever names a class ahead of its first text still wants the others learnt."""
    task = task_of(labeled_rows(16), classes=["refund", "delivery", "login", "other"])
    assert [parsed(command.line)[0] for command in written(task, methods=["setfit"])] == ["compare", "train"]


def test_few_labels_are_cross_validated():
    """A third of sixty texts held out once tells nothing apart."""
    few, many = (written(task_of(labeled_rows(n)))[0] for n in (16, 160))
    assert [parsed(command.line)[1]["folds"] for command in (few, many)] == [5, None]


def test_a_long_comparison_has_fewer_seeds():
    """Nobody waits a day for a first look."""
    few, many = labeled_rows(16), [row | {"text": row["text"] + " word" * 400} for row in labeled_rows(200)]
    seeds = [parsed(written(task_of(rows))[0].line)[1]["seeds"] for rows in (few, many)]
    assert seeds == [CompareSettings.seeds, 3]


def test_the_hint_without_labels():
    """Class names and a pool alone make a classifier; codes do not, and nothing is said then."""
    task = task_of(pool_rows(60), classes=["refund", "late delivery"])
    hint = Writer(Files("a.csv"), task, Reading(), None).hint_without_labels()
    verb, given = parsed(hint[hint.index("fewshot distill") :])
    assert (verb, given["teacher"], given["unlabeled"]) == ("distill", ["nli:FOLDER"], "a.csv")
    verb, given = parsed(hint[hint.index("fewshot train") : hint.index("; a model")])
    assert (verb, given["labeled"], given["classes"]) == ("train", None, "refund,late delivery")
    assert (given["method"], given["unlabeled"]) == ("zero-shot-embedding", "a.csv")
    for names in (["LOC", "7"], ["refund", "late, or never"]):
        task = task_of(pool_rows(60), classes=names)
        assert Writer(Files("a.csv"), task, Reading(), None).hint_without_labels() is None
