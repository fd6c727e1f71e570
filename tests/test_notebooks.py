"""The notebooks: run whole by a fresh kernel, and what is stored in them is what their code gives.

A kernel, not ``exec``: in a notebook libraries draw other progress bars, warn about other things and show pictures by
themselves, and only a kernel brings that to light.
"""

import ast
import base64
import itertools
import os
import re
import struct
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import fewshot
from fewshot.data.texts import TextData

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BESIDE_FEWSHOT = {"matplotlib", "numpy", "pathlib", "time", "warnings"}
MAX_PICTURE_BYTES = 1_500_000
NOISE = r"/home/|/root/|/tmp/|/Users/|[A-Z]:\\|site-packages|Warning|Traceback|it/s\b|\x1b|\r|0x[0-9a-f]{6,}"

CLAIMS = {
    "01_teach_and_distill": """
assert len(train) == 16 * 13 and len(some) == 500
assert not {text.casefold() for text in pool.texts} & {text.casefold() for text in test.texts}
assert accuracy["layers:3 distilled"] > accuracy["layers:3 frozen"] > 1 / 13
assert accuracy["static distilled"] > accuracy["static frozen"] > 1 / 13
assert accuracy["teacher"] > max(accuracy["layers:3 trained"], accuracy["layers:3 frozen"], accuracy["static frozen"])
assert correlation["layers:3 distilled"] > correlation["layers:3 frozen"]
assert correlation["static distilled, all"] > correlation["static frozen"]
for trainer in trainers.values():
    assert np.mean(trainer.losses_[-5:]) < np.mean(trainer.losses_[:5])
assert counts.sum() == len(test) and np.isclose(counts.trace() / len(test), accuracy["layers:3 distilled"])
assert np.sum(taught == said) + sum(rows.sum() for rows in cases.values()) == len(test)
assert 0 < megabytes["static"] < megabytes["layers:3"] < megabytes["teacher"]
assert all(same.values())
""",
    "02_few_to_no_labels": """
assert len(train) + len(test) == 300 and not set(train.texts) & set(test.texts)
assert not set(pool.texts) & {*train.texts, *test.texts} and 0 < len(pool) <= N_UNLABELLED
sizes_drawn = [size for size in SLICES if size]
assert all(set(slices[small]) <= set(slices[large]) for small, large in zip(sizes_drawn, sizes_drawn[1:]))
assert all(row["status"] == "ok" for row in rows + on_adapted)
assert len(rows) == SEEDS * (len(QUICK) * len(sizes_drawn) + 1)
same_slice = {row["method"]: row for row in rows if row["seed"] == SEED and row["n_train"] == len(most)}
assert np.isclose(same_slice["naive-bayes"]["micro_f1"], by_hand)
assert np.isclose(same_slice["naive-bayes"]["macro_f1"], each.mean())
# In half precision vectors depend on the batch that they are encoded in, and a vote on the edge with them.
assert abs(same_slice["linear-probe"]["macro_f1"] - probed.mean()) < 0.02
assert abs(same_slice["knn"]["micro_f1"] - f1(truth, marks(knn.predict(test.texts)))[0]) < 0.02, (
    same_slice["knn"]["micro_f1"], f1(truth, marks(knn.predict(test.texts)))[0]
)
assert knn.grid_[knn.k_ - 1, m - 1] == np.nanmax(knn.grid_)
assert 0.02 < chance < 0.06
assert len(copies) == 4 * len(few) and not set(copies) & set(few.texts)
for rule, (micro, of_each) in zero_shot["names"].items():
    assert zero_shot["descriptions"][rule][0] > micro > 0
    assert zero_shot["descriptions"][rule][1].mean() > of_each.mean() > 0
for method in ("naive-bayes", "knn", "linear-probe", "linear-probe, adapted"):
    found = scores(every, method, "micro_f1")
    assert np.mean(found[SLICES[-1]]) > np.mean(found[SLICES[1]])
for method in ("knn", "linear-probe"):
    assert np.mean(scores(rows, method, "micro_f1")[SLICES[-1]]) > zero_shot["descriptions"]["the nearest"][0]
    assert np.mean(scores(rows, method, "micro_f1")[SLICES[1]]) < zero_shot["names"]["from 0.5 on"][0]
slow = {"setfit", "fine-tune", "linear-probe, adapted", "fine-tune, adapted", "uda", "self-training"}
assert {*QUICK, *slow} == set(methods)
for method in ("setfit", "fine-tune", "fine-tune, adapted"):
    assert set(scores(every, method, "micro_f1")) == set(SLOW_SLICES)
for method in ("uda", "self-training"):
    assert set(scores(every, method, "micro_f1")) == set(POOL_SLICES)
assert report["n_texts"] == len(pool) and report["steps"] > 0
assert same
""",
    "03_make_it_small": """
judged = {*validation.texts, *test.texts}
assert len(validation) + len(test) == len(held) and len(judged) == len(held)
assert not set(pool) & judged and len(pool) <= POOL_TEXTS
assert len(found.trials) == TRIALS and found.metric == "agreement"
assert all(0.5 < share < 0.7 for share in zeros.values())
assert megabytes(RUNS / "packed") < megabytes(RUNS / "sparse")
assert all(row["status"] == "ok" for row in small.rows) and small.kept is not None
assert small.row("onnx")["loss"] == 0 and small.row("onnx")["latency_p50_ms"] > 0
assert small.row("layers:3+int8")["size_bytes"] < small.row("layers:3")["size_bytes"] / 3 < first["size_bytes"] / 3
assert small.row("static:words")["latency_speedup"] > 10
assert kept["size_bytes"] == min(row["size_bytes"] for row in small.rows[1:] if row["good_enough"])
assert opened.score(test.texts, test.labels) == small.test["kept"]
assert teacher.score(test.texts, test.labels) == small.test["model"]
""",
}
"""What each notebook tells its reader, in terms of its own variables."""

SHRUNK = {
    "02_few_to_no_labels": {
        "N_UNLABELLED = 600": "N_UNLABELLED = 64",
        "SLICES = (0, 8, 16, 32, 64, 128)": "SLICES = (0, 8, 64)",
        "SEEDS = 5": "SEEDS = 2",
        "SLOW_SLICES = (16, 64)": "SLOW_SLICES = (8,)",
        "POOL_SLICES = (16,)": "POOL_SLICES = (8,)",
        "POOL_TEXTS = 200": "POOL_TEXTS = 16",
        "EPOCHS = 10": "EPOCHS = 2",
        "ADAPT_STEPS = 25": "ADAPT_STEPS = 2",
        "MAX_TOKENS = 64": "MAX_TOKENS = 32",
    },
    "03_make_it_small": {
        "POOL_TEXTS = 500": "POOL_TEXTS = 120",
        "STEPS = 50": "STEPS = 3",
        "TRIALS = 3": "TRIALS = 1",
        "SECONDS = 1.5": "SECONDS = 0.1",
        "max_loss=8.0": "max_loss=100.0",
        '"int8", "layers:3+int8", "pruned:0.5+int8", "static:words+int8"': '"layers:3+int8", "static:words"',
    },
}
"""What the whole run in the tests has in place of a notebook's own text, where that would take too long."""


each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def _read(path):
    return nbformat.read(path, as_version=4)


def _code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _kinds(cell):
    """Return what a cell shows, a row of prints as one: how output is cut into pieces is a matter of timing."""
    shown = [output.get("name") or "+".join(sorted(output.data)) for output in cell.outputs]
    return [kind for kind, _ in itertools.groupby(shown)]


def _first_words(cell):
    """Return the first line that a cell prints, without its figures: these may differ from machine to machine."""
    printed = "".join(output.text for output in cell.outputs if output.output_type == "stream").strip()
    return re.sub(r"[\d.,%]+", "#", printed.partition("\n")[0]).split()


def _pictures(notebook):
    outputs = itertools.chain.from_iterable(cell.outputs for cell in _code_cells(notebook))
    coded = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    return [base64.b64decode(picture) for picture in coded]


def _shrunk(path):
    """Return a notebook with the text of its code replaced as ``SHRUNK`` says; each piece must be there, and once."""
    notebook = _read(path)
    for old, new in SHRUNK.get(path.stem, {}).items():
        holders = [cell for cell in _code_cells(notebook) if old in cell.source]
        assert sum(cell.source.count(old) for cell in holders) == 1, old
        holders[0].source = holders[0].source.replace(old, new)
    return notebook


def _run(path, folder):
    """Run a notebook, shrunk, and its claims in ``folder/notebooks``, beside the data; return it without the claims."""
    (folder / "notebooks").mkdir()
    (folder / "data").symlink_to(ROOT / "data")
    notebook = _shrunk(path)
    for cell in _code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    notebook.cells.append(nbformat.v4.new_code_cell(CLAIMS[path.stem], id="claims"))
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}  # Agg would draw nothing
    client = NotebookClient(notebook, resources={"metadata": {"path": str(folder / "notebooks")}})
    client.execute(env=environment | {"IPYTHONDIR": str(folder / "ipython")})  # nobody's start-up files
    del notebook.cells[-1]
    return notebook


def test_there_are_notebooks_and_each_is_checked_and_listed() -> None:
    """Prevents a notebook that runs in the tests without anything being asked of it, or that no reader finds."""
    assert NOTEBOOKS
    assert {path.stem for path in NOTEBOOKS} == set(CLAIMS)
    listed = (ROOT / "notebooks" / "README.md").read_text("utf-8")
    assert all(f"]({path.name})" in listed for path in NOTEBOOKS)


@each_notebook
def test_stored_outputs_are_those_of_one_whole_run(path: Path) -> None:
    """Prevents outputs of cells run twice, out of order, or changed since, and errors that nobody looked at."""
    notebook = _read(path)
    nbformat.validate(notebook)
    cells = _code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        assert all(output.output_type in ("stream", "display_data") for output in cell.outputs), cell.id
        assert bool(cell.outputs) == ("print(" in cell.source or "plt.show(" in cell.source), cell.id
        assert ("plt.show(" in cell.source) == any("image/png" in kind for kind in _kinds(cell)), cell.id


@each_notebook
def test_stored_outputs_tell_of_the_story_alone(path: Path) -> None:
    """Prevents folders of somebody's machine, warnings and progress bars from being committed as part of the story."""
    for cell in _code_cells(_read(path)):
        for output in cell.outputs:
            assert output.get("name") != "stderr", output.text
            text = output.get("text") or output.data.get("text/plain", "")
            assert not re.search(NOISE, text), f"{cell.id}: {text}"


@each_notebook
def test_pictures_are_pictures_and_modest(path: Path) -> None:
    """Prevents blank or torn pictures, and a repository that grows by megabytes with each run."""
    pictures = _pictures(_read(path))
    assert pictures
    assert sum(map(len, pictures)) < MAX_PICTURE_BYTES
    for picture in pictures:
        assert picture[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", picture[16:24])
        assert 300 <= width <= 1600
        assert 200 <= height <= 1600


@each_notebook
def test_only_public_names(path: Path) -> None:
    """Prevents a notebook that teaches its reader names which may be gone in the next version."""
    for cell in _code_cells(_read(path)):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.ImportFrom):
                public = node.module == "fewshot" and {name.name for name in node.names} <= set(fewshot.__all__)
                assert public or str(node.module).partition(".")[0] in BESIDE_FEWSHOT, cell.id
            elif isinstance(node, ast.Import):
                assert {name.name.partition(".")[0] for name in node.names} <= BESIDE_FEWSHOT, cell.id
            elif isinstance(node, ast.Attribute):
                assert not node.attr.startswith("_"), f"{cell.id}: {node.attr}"


def test_what_is_shrunk_is_there() -> None:
    """Prevents a run that is no longer shrunk since a setting was renamed, which only the slow tests would tell."""
    assert set(SHRUNK) <= set(CLAIMS)
    for path in NOTEBOOKS:
        changed = _code_cells(_shrunk(path)) != _code_cells(_read(path))
        assert changed == (path.stem in SHRUNK), path.stem


@pytest.mark.slow
@pytest.mark.parametrize("folder", [".", "notebooks"])
@each_notebook
def test_finds_its_data(path: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a notebook that opens its data only when started from one of the two likely folders."""
    monkeypatch.chdir(ROOT / folder)
    sources = [cell.source for cell in _code_cells(_read(path))]
    opening = next(number for number, source in enumerate(sources) if "load_texts(" in source)
    names: dict[str, Any] = {}
    for source in sources[: opening + 1]:
        exec(compile(source, str(path), "exec"), names)
    assert any(isinstance(value, TextData) and len(value) for value in names.values())


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(3600)  # minutes on free cores, many more on busy ones
@each_notebook
def test_runs_whole_and_keeps_its_word(path: Path, bundled: object, tmp_path: Path) -> None:
    """Prevents a story that no longer runs, a student that learns nothing, stored outputs that belong to other code."""
    stored, fresh = _read(path), _run(path, tmp_path)
    assert len(_pictures(fresh)) == len(_pictures(stored))
    for old, new in zip(_code_cells(stored), _code_cells(fresh), strict=True):
        assert _kinds(new) == _kinds(old), new.id
        assert path.stem in SHRUNK or _first_words(new) == _first_words(old), new.id
        assert "stderr" not in _kinds(new), new.id
    assert list((tmp_path / "runs").rglob("fewshot.json")), "what was made was saved"
    assert not list((tmp_path / "notebooks").iterdir()), "nothing is left beside the notebooks"
