"""``fewshot predict`` on files, through the real command."""

import errno
import json

import pytest

from fewshot.core.errors import WorkerError
from fewshot.data.readers import read_rows
from fewshot.data.row_writers import DelimitedWriter
from fewshot.recipes.predicting import staff
from tests.cli.test_story import Done, last_json, run


@pytest.fixture(scope="module")
def desk(tmp_path_factory, tiny_static, single, multi):
    """A folder with two students and a pool."""
    from fewshot.classifiers.linear_probe import LinearProbeClassifier

    folder = tmp_path_factory.mktemp("desk")
    for name, toy in (("student", single), ("tagger", multi)):
        LinearProbeClassifier(tiny_static, random_state=0).fit(toy.texts, toy.labels).save(folder / name)
    texts = [*single.test_texts, *multi.test_texts, ""]
    lines = [json.dumps({"id": n, "text": text}) for n, text in enumerate(texts)]
    (folder / "pool.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "pool.csv").write_text("id,text\n" + "".join(f'{n},"{text}"\n' for n, text in enumerate(texts)))
    (folder / "other.csv").write_text("id,body\n1,refund\n")
    return folder


@pytest.mark.parametrize(("model", "column"), [("student", "label"), ("tagger", "labels")])
def test_a_pool_is_labelled_reviewed_and_gone_on_with(desk, monkeypatch, model, column):
    """Prevents flags that are taken and forgotten, and a closing line that does not say what lies where."""
    out = ("--out", f"{model}.csv", "--rows-per-shard", "10", "--min-confidence", "0.6")
    real, done = staff.Answering.answers, []

    def answers(self, classifier, texts):
        done.append(len(texts))
        if len(done) == 3:
            raise KeyboardInterrupt
        return real(self, classifier, texts)

    with monkeypatch.context() as patch:
        patch.setattr(staff.Answering, "answers", answers)
        stopped = run("predict", model, "pool.csv", *out, folder=desk, code=130)
        assert "a prediction of a file goes on with the same command" in stopped.stderr
        told = run("predict", model, "pool.csv", *out, folder=desk).stdout
    rows, review = read_rows(desk / f"{model}.csv").rows, read_rows(desk / f"{model}.csv.review.csv").rows
    assert sum(done) == len(rows) - 1 + done[2], "finished shards were computed again"
    assert f"Predicted {len(rows)} rows, 1 of them not predictable (see {model}.csv.rejected.csv)" in told
    assert f"{len(review)} left without a label" in told
    assert "2 shards were there already" in told
    assert f"{model}.csv.review.csv, put them to your labelled texts, then: fewshot train ALL_LABELS" in told
    assert [row["id"] for row in rows] == [str(n) for n in range(len(rows))]
    for row in review:
        assert float(row["confidence"]) < 0.6
        assert rows[int(row["row"])] == {name: row[name] for name in rows[0]} | {column: ""}
    made = last_json(run("predict", model, "pool.jsonl", "--out", "all.jsonl", "--json", folder=desk))
    assert (made["rows"], made["rejected"], made["abstained"], made["whole"]) == (len(rows), 1, 0, True)
    labels = [row[column] for row in read_rows(desk / "all.jsonl").rows if row[column] is not None]
    assert sum(made["counts"].values()) == sum(len(given) if column == "labels" else 1 for given in labels)


def test_machines_one_after_the_other(desk):
    """Prevents a second machine that does not know what the first one left to it."""
    parts = [
        ("predict", "student", "pool.csv", "--out", "m.csv", "--rows-per-shard", "9", "--shard", f"{k}/2")
        for k in (1, 2)
    ]
    first = run(*parts[0], folder=desk)
    assert "is put together when all are" in first.stdout
    assert not (desk / "m.csv").exists()
    assert f"Predicted {len(read_rows(desk / 'pool.csv').rows)} rows" in run(*parts[1], folder=desk).stdout
    run("predict", "student", "pool.csv", "--out", "one.csv", folder=desk)
    assert (desk / "m.csv").read_bytes() == (desk / "one.csv").read_bytes()
    run("predict", "student", "pool.csv", "--out", "parts/", "--rows-per-shard", "30", folder=desk)
    assert sorted(path.name for path in (desk / "parts").glob("p*")) == ["part-00000.csv", "part-00001.csv"]


def one_line(done: Done) -> str:
    """Return the error, which is one line."""
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("fewshot: error: ")
    assert "Traceback" not in done.stderr
    return line


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("other.csv", "--out", "x.csv"), "columns there: 'id', 'body'"),
        (("pool.csv", "--out", "x.csv", "--shard", "3/2"), "--shard"),
        (("pool.csv", "--out", "x.csv", "--workers", "0"), "workers must be"),
        (("pool.csv", "--out", "x.csv", "--engine", "spark"), "engine must be one of processes, ray"),
        (("pool.csv", "--out", "x.csv", "--min-confidence", "7"), "min_confidence must be from 0 to 1"),
        (("pool.csv", "--out", "x.csv", "--rows-per-shard", "0"), "rows_per_shard must be"),
        (("pool.csv", "--out", "x.doc"), "expected one of"),
        (("pool.csv", "--out", "pool.csv"), "another file"),
        (("pol.csv", "--out", "x.csv"), "Did you mean 'pool.csv'"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(desk, arguments, word):
    """Prevents tracebacks, and outputs of commands that were refused."""
    assert word in one_line(run("predict", "student", *arguments, folder=desk, code=1))
    assert list(desk.glob("x*")) == []


def test_a_full_disk_and_a_dead_worker_say_how_to_go_on(desk, monkeypatch):
    """Prevents a user who thinks that all is lost."""
    command = ("predict", "student", "pool.csv", "--out", "full.csv", "--rows-per-shard", "10")
    for error, words in (
        (OSError(errno.ENOSPC, "No space left on device"), "make room, then give the same command again"),
        (WorkerError("a worker process ended"), "a worker process ended"),
    ):

        def write(self, columns, error=error):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(DelimitedWriter, "write", write)
            assert words in one_line(run(*command, folder=desk, code=1))
    run(*command, folder=desk)
    assert (desk / "full.csv").exists()
