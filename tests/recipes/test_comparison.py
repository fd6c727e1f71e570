"""The journey *compare*, on toy data and a toy encoder."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from fewshot import CompareSettings, compare_methods
from fewshot.core.artifacts import fingerprint, read_json
from fewshot.core.errors import DataWarning, InputError
from fewshot.core.versions import library_versions
from fewshot.data.labels import LabelSpace
from fewshot.data.readers import read_rows
from fewshot.data.slices import training_slices
from fewshot.data.texts import TextData
from fewshot.evaluation.reports.side_by_side import Finished, side_by_side
from fewshot.recipes.sources import content_hash

WORDS = {"fruit": "apple pear plum", "tool": "hammer saw drill"}
FAST = {"methods": ("naive-bayes", "linear-probe"), "slices": (1, 3), "seeds": 2}


def table(n: int, *, start: int = 0, multi: bool = False) -> TextData:
    """Return ``n`` toy texts a class."""
    pairs = [
        (f"{words.split()[i % 3]} no {i}", label) for label, words in WORDS.items() for i in range(start, start + n)
    ]
    labels = [(label,) if multi else label for _, label in pairs]
    return TextData([text for text, _ in pairs], labels, multi_label=multi, rows=list(range(len(pairs))))


def test_each_text_is_embedded_once(tmp_path: Path, toy_encoder, monkeypatch) -> None:
    """Embedding anew in every cell is what makes comparisons slow; only the timing of a method has to."""
    monkeypatch.setattr("fewshot.recipes.costs.Costed.after_scoring", lambda self: None)
    seen: list[str] = []
    inner = toy_encoder._encode_batch
    toy_encoder._encode_batch = lambda texts: (seen.extend(texts), inner(texts))[1]
    compare_methods(table(6), table(4, start=50), out=tmp_path, encoder=toy_encoder, **FAST)
    assert len(seen) == len(set(seen))


def test_killed_comparison_goes_on_where_it_stopped(tmp_path: Path, toy_encoder) -> None:
    """A run that starts over after a kill never ends on a shared machine."""

    def stop(cell, row) -> None:
        if cell.seed == 1:
            raise KeyboardInterrupt

    inputs = (table(6), table(4, start=50))
    with pytest.raises(KeyboardInterrupt):
        compare_methods(*inputs, out=tmp_path / "killed", encoder=toy_encoder, on_result=stop, **FAST)
    first = len(read_rows(tmp_path / "killed" / "results.csv").rows)
    assert 0 < first < 8
    page = (tmp_path / "killed" / "report.html").read_text("utf-8")
    assert f"Unfinished: {8 - first} of 8 cells are missing." in page
    computed = []
    resumed = compare_methods(
        *inputs, out=tmp_path / "killed", encoder=toy_encoder, on_result=lambda cell, row: computed.append(cell), **FAST
    )
    assert len(computed) == 8 - first
    whole = compare_methods(*inputs, out=tmp_path / "whole", encoder=toy_encoder, **FAST)
    assert resumed.contrasts == whole.contrasts
    page = (tmp_path / "killed" / "report.html").read_text("utf-8")
    assert "nfinished" not in page.split("<body>")[1]
    timeless = [{k: v for k, v in row.items() if "seconds" not in k} for row in resumed.rows]
    assert timeless == [{k: v for k, v in row.items() if "seconds" not in k} for row in whole.rows]


def test_what_a_budget_leaves_is_told(tmp_path: Path, toy_encoder, monkeypatch) -> None:
    """A table that lacks cells without a word would be taken for the whole comparison."""
    monkeypatch.setattr("fewshot.evaluation.runner.pace.Pace.allows", lambda self, cell: cell.method == "naive-bayes")
    inputs = (table(6), table(4, start=50))
    done = compare_methods(*inputs, out=tmp_path, encoder=toy_encoder, budget="5m", **FAST)
    assert {row["method"] for row in done.rows} == {"naive-bayes"}
    told = "4 of 8 cells were not run within the budget of 5m; the same command goes on with them"
    assert done.notes[-1] == told
    with pytest.raises(InputError, match="budget"):
        compare_methods(*inputs, out=tmp_path, encoder=toy_encoder, budget="soon", **FAST)
    monkeypatch.setattr("fewshot.evaluation.runner.pace.Pace.allows", lambda self, cell: False)
    nothing = compare_methods(*inputs, out=tmp_path / "none", encoder=toy_encoder, budget="1s", **FAST)
    assert nothing.rows == nothing.summary == []
    page = (tmp_path / "none" / "report.html").read_text("utf-8")
    assert "8 of 8 cells were not run" in page
    assert "Unfinished: 8 of 8 cells are missing." in page


@pytest.mark.parametrize("multi", [False, True])
def test_methods_are_compared_text_by_text(tmp_path: Path, toy_encoder, multi) -> None:
    """A table of means alone cannot say which differences are more than chance."""
    test = table(4, start=50, multi=multi)
    options = FAST | ({"slices": (4, 8)} if multi else {})
    done = compare_methods(table(6, multi=multi), test, out=tmp_path, encoder=toy_encoder, **options)
    written = read_rows(tmp_path / "contrasts.csv").rows
    assert [row["verdict"] for row in written] == [row["verdict"] for row in done.contrasts]
    assert len(done.contrasts) == 2 * 2 * 3
    means = {(row["slice"], row["method"]): row["macro_f1_mean"] for row in done.summary}
    for row in done.contrasts:
        if row["metric"] == "macro_f1":
            assert row["mean"] == pytest.approx(means[row["slice"], row["method"]])
    verdicts = {(row["slice"], row["method"], row["metric"]): row["verdict"] for row in done.contrasts}
    for row in done.summary:
        assert row["macro_f1_verdict"] == verdicts[row["slice"], row["method"], "macro_f1"]
        assert row["macro_f1_low"] <= row["macro_f1_mean"] <= row["macro_f1_high"]
    assert len(done.predictions.answers) == len(done.rows)
    assert done.predictions.space.decode(done.predictions.truth) == test.labels
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "No mark: worse, or not compared" in page
    assert "The band is one standard deviation over seeds" in page


def test_test_texts_are_kept_out_of_training_and_pool(tmp_path: Path, toy_encoder) -> None:
    """A test text seen in training makes every method look better than it is."""
    labeled, test = table(6), table(4, start=3)
    with pytest.warns(DataWarning, match="labelled texts are also in"):
        done = compare_methods(labeled, test, out=tmp_path, encoder=toy_encoder, **FAST)
    assert all(row["status"] == "ok" for row in done.rows)


def test_without_a_test_set_a_part_is_held_out(tmp_path: Path, toy_encoder) -> None:
    """Scoring on training texts would report memory as skill."""
    with pytest.warns(DataWarning, match=r"the 6 labelled texts held out .* by up to ±20 points; --folds 5"):
        done = compare_methods(table(9), out=tmp_path, encoder=toy_encoder, **FAST)
    assert any("held out" in note for note in done.notes)


def test_multi_label_slices_count_all_labels(tmp_path: Path, toy_encoder) -> None:
    """Per-class slices have no meaning where a text has several labels."""
    done = compare_methods(
        table(9, multi=True),
        table(4, start=50, multi=True),
        out=tmp_path,
        encoder=toy_encoder,
        **FAST | {"slices": (4, 8)},
    )
    assert [row["n_train"] for row in done.summary] == [4, 8, 4, 8]
    assert all(row["mcc_mean"] is None for row in done.summary)


def test_few_labels_need_no_size_named(tmp_path: Path, toy_encoder) -> None:
    """Prevents an error on the first command that one with nine labels a class types; naming the sizes goes on."""
    settings = {name: value for name, value in FAST.items() if name != "slices"}
    sources = table(9), table(4, start=50)
    done = compare_methods(*sources, out=tmp_path, encoder=toy_encoder, **settings)
    assert sorted({row["slice"] for row in done.rows}) == [2, 4, 9]
    assert any("9 labels a class" in note for note in done.notes)
    again = compare_methods(*sources, out=tmp_path, encoder=toy_encoder, slices=(2, 4, 9), **settings)
    assert again.rows == done.rows


def test_a_failing_method_leaves_the_others(tmp_path: Path, toy_encoder) -> None:
    """One method that cannot run (SetFit on an encoder without weights) must not cost the rest."""
    methods = ("naive-bayes", "setfit")
    done = compare_methods(
        table(6), table(4, start=50), out=tmp_path, encoder=toy_encoder, **FAST | {"methods": methods}
    )
    status = {(row["method"], row["status"]) for row in done.rows}
    assert status == {("naive-bayes", "ok"), ("setfit", "failed")}
    report = (tmp_path / "report.html").read_text("utf-8")
    assert "cannot be trained" in report
    assert re.search(r"Failed.*?<table.*?setfit.*?cannot be trained", report, re.DOTALL)


def test_folder_of_other_data_is_refused(tmp_path: Path, toy_encoder) -> None:
    """Two data sets in one results file would be averaged."""
    compare_methods(table(6), table(4, start=50), out=tmp_path, encoder=toy_encoder, **FAST)
    with pytest.raises(InputError, match="other data"):
        compare_methods(table(7), table(4, start=50), out=tmp_path, encoder=toy_encoder, **FAST)


def test_settings_are_checked() -> None:
    """Zero seeds would end in an empty table."""
    with pytest.raises(InputError, match="seeds"):
        CompareSettings(seeds=0)


@pytest.mark.parametrize("multi", [False, True])
def test_slice_0_is_for_those_that_need_no_label(tmp_path: Path, toy_encoder, multi) -> None:
    """A method that learns from labels cannot run without any: that is no failure, nor a reason to drop the others."""
    methods, sizes = ("naive-bayes", "knn", "zero-shot-embedding"), (0, 4)
    done = compare_methods(
        table(6, multi=multi),
        table(4, start=50, multi=multi),
        out=tmp_path,
        encoder=toy_encoder,
        **FAST | {"methods": methods, "slices": sizes},
    )
    assert {row["status"] for row in done.rows} == {"ok"}
    cells = {(row["method"], row["slice"], row["n_train"]) for row in done.rows}
    n = 4 if multi else 8
    expected = {(name, 4, n) for name in methods} | {("zero-shot-embedding", 0, 0)}
    assert cells == expected
    assert len(done.rows) == 2 * len(expected)
    assert done.left_out == dict.fromkeys(methods[:2], "at slice 0, where there is no label to learn from")
    assert f"{methods[0]}, {methods[1]} were left out: at slice 0" in (tmp_path / "report.html").read_text("utf-8")
    assert (tmp_path / "learning_curves.png").is_file()


def test_without_labels_the_names_are_those_of_the_labelled_texts(tmp_path: Path, tiny_topical, tiny_nli) -> None:
    """Zero-shot methods on slice 0 would have no class to tell apart."""
    texts = [f"{word} {number}" for number in range(6) for word in ("refund", "parcel", "password")]
    labels = ["billing", "delivery", "login"] * 6
    rows = TextData(texts, labels, multi_label=False, rows=list(range(18)))
    options = FAST | {"methods": ("zero-shot-embedding", f"zero-shot-nli:{tiny_nli}"), "slices": (0,), "folds": 0}
    done = compare_methods(rows, out=tmp_path, encoder=tiny_topical, device="cpu", **options)
    assert all(row["accuracy"] >= 0.8 for row in done.rows)
    assert len(done.rows) == 4
    assert [row["n_train"] for row in done.rows] == [0] * 4


def test_what_classes_mean_is_told_to_those_that_read_it(tmp_path: Path, tiny_topical, tiny_nli) -> None:
    """Prevents a comparison that judges zero-shot methods by codes, and old results where the words are others."""
    texts = [f"{word} {number}" for number in range(6) for word in ("refund", "parcel", "password")]
    codes = ["C1", "C2", "C3"]
    rows = TextData(texts, codes * 6, multi_label=False, rows=list(range(18)))
    test = TextData([f"my {text}" for text in texts], codes * 6, multi_label=False, rows=list(range(18)))
    words = {"C1": ["billing invoice", "refund"], "C2": "parcel", "C3": "password"}
    (tmp_path / "words.json").write_text(json.dumps(words))
    reading = ("zero-shot-embedding", f"zero-shot-nli:{tiny_nli}")
    options = FAST | {"methods": ("naive-bayes", *reading), "slices": (0, 3), "seeds": 1, "device": "cpu"}

    def compared(**more):
        return compare_methods(rows, test, out=tmp_path / "out", encoder=tiny_topical, **options | more)

    def cells() -> set[str]:
        return {path.name for path in (tmp_path / "out" / "cells").glob("*.json")}

    bare = compared()
    before = cells()
    told = compared(label_words=str(tmp_path / "words.json"))
    accuracies = [{row["method"]: row["accuracy"] for row in done.rows if not row["slice"]} for done in (bare, told)]
    assert accuracies[1]["zero-shot-embedding"] == 1.0 > accuracies[0]["zero-shot-embedding"]
    assert len(cells() - before) == 4  # each of two methods on both slices; Naive Bayes stands as it is
    assert compared(label_words=words).rows == told.rows
    assert compared(label_words=words | {"C1": "refund"}).rows != told.rows
    with pytest.raises(InputError, match=r"label_words describes 'C4', which no labelled text has\. Did you mean"):
        compared(label_words={"C4": "else"})
    assert "label_words describes 'C9', which no labelled text has" in " ".join(
        compared(label_words=words | {"C9": "else"}).notes
    )
    with pytest.raises(InputError, match="must be a text that is not empty"):
        compared(label_words={"C1": ["refund", ""]})


def test_numbers_are_described_by_the_words_of_a_file(tmp_path: Path, tiny_topical) -> None:
    """Prevents a class that is a number from missing the words that JSON keeps under a text."""
    texts = [f"{word} {number}" for number in range(4) for word in ("refund", "parcel")]
    rows = TextData(texts, [7, 30] * 4, multi_label=False, rows=list(range(8)))
    test = TextData([f"my {text}" for text in texts], [7, 30] * 4, multi_label=False, rows=list(range(8)))
    options = FAST | {"methods": ("zero-shot-embedding",), "slices": (2,), "seeds": 1, "device": "cpu"}
    words = {"7": ["refund", "invoice"], "30": "parcel"}
    done = compare_methods(rows, test, out=tmp_path, encoder=tiny_topical, label_words=words, **options)
    assert [(row["status"], row["accuracy"]) for row in done.rows] == [("ok", 1.0)]


def test_a_model_that_was_trained_anew_in_its_folder_is_asked_anew(tmp_path: Path, tiny_topical, tiny_nli) -> None:
    """Prevents results of the model that lay in the folder before from standing for the one that lies there now."""
    shutil.copytree(tiny_nli, tmp_path / "nli")
    options = FAST | {"methods": (f"zero-shot-nli:{tmp_path / 'nli'}",), "slices": (0,), "seeds": 1, "folds": 0}
    labels = ["billing", "delivery"]
    rows = TextData(["refund", "parcel"], labels, multi_label=False, rows=[0, 1])
    test = TextData(["my refund", "my parcel"], labels, multi_label=False, rows=[0, 1])
    ran = []
    for content in ("{}", "{}", "{ }"):
        (tmp_path / "nli" / "note.json").write_text(content)
        done = compare_methods(rows, test, out=tmp_path / "out", encoder=tiny_topical, device="cpu", **options)
        assert done.rows[0]["status"] == "ok"
        ran.append(len(list((tmp_path / "out" / "cells").glob("*.json"))))
    assert ran == [1, 1, 2]


def test_a_test_set_of_the_labelled_texts_is_refused(tmp_path: Path, toy_encoder) -> None:
    """Prevents an error about missing labels where the texts to learn from are those to be judged on."""
    with (
        pytest.warns(DataWarning, match="were left out"),
        pytest.raises(InputError, match="give other test texts, or none"),
    ):
        compare_methods(table(6), table(6), out=tmp_path, encoder=toy_encoder, **FAST)


def test_slice_0_alone_needs_a_method_for_it(tmp_path: Path, toy_encoder) -> None:
    """An empty table of results would say nothing of the reason."""
    with pytest.raises(InputError, match="no method that runs without labels"):
        compare_methods(table(6), out=tmp_path, encoder=toy_encoder, **FAST | {"slices": (0,), "folds": 0})


def test_an_encoder_may_be_named(tmp_path: Path, tiny_folder: Path) -> None:
    """A name where an object is taken, too, must not end in an error about an attribute of a string."""
    settings = FAST | {"methods": ("knn",), "slices": (2,), "seeds": 1}
    done = compare_methods(table(6), table(4, start=50), out=tmp_path / "out", encoder=str(tiny_folder), **settings)
    assert [(row["status"], row["encoder"]) for row in done.rows] == [("ok", str(tiny_folder))]


@pytest.mark.parametrize("multi", [False, True])
def test_costs_stand_beside_scores(tmp_path: Path, tiny_encoder, multi) -> None:
    """A method is chosen by what it costs, too; its vectors, kept for other cells, must not make it look fast."""
    options = FAST | {"methods": ("naive-bayes", "knn")} | ({"slices": (4, 8)} if multi else {})
    inputs = (table(6, multi=multi), table(4, start=50, multi=multi))
    done = compare_methods(*inputs, out=tmp_path, encoder=tiny_encoder, **options)
    written = json.loads((tmp_path / "frontier.json").read_text("utf-8"))
    assert written["points"] == done.frontier
    assert written["metric"] == ("micro_f1" if multi else "macro_f1")
    plain, encoded = done.frontier
    assert [plain["method"], encoded["method"]] == ["naive-bayes", "knn"]
    assert plain["error"] is encoded["error"] is None
    assert plain["size_mb"] < encoded["size_mb"]
    largest = {row["method"]: row for row in done.summary if row["slice"] == max(options["slices"])}
    for point in done.frontier:
        assert point["score"] == largest[point["method"]][f"{written['metric']}_mean"]
        assert point["texts_per_second"] > 0
    assert (tmp_path / "frontier.png").is_file()
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "What methods cost to use" in page
    assert "Seconds to train and to predict" in page
    kept = sorted((tmp_path / "costs").iterdir())
    times = [path.stat().st_mtime_ns for path in kept]
    again = compare_methods(*inputs, out=tmp_path, encoder=tiny_encoder, **options)
    assert again.frontier == done.frontier
    assert [path.stat().st_mtime_ns for path in kept] == times, "measured again"


def test_the_page_is_written_as_cells_finish(tmp_path: Path, toy_encoder, monkeypatch) -> None:
    """Who waits for hours must be able to look, and must see that it is not all."""
    monkeypatch.setattr("fewshot.recipes.watching.FIRST_TAKES", 0.0)
    monkeypatch.setattr("fewshot.recipes.watching.LEAST_SECONDS", 0.0)
    monkeypatch.setattr("fewshot.recipes.watching.SHARE", 1e9)
    pages = []

    def look(cell, row) -> None:
        if (tmp_path / "report.html").is_file():
            pages.append((tmp_path / "report.html").read_text("utf-8"))

    inputs = (table(6), table(4, start=50))
    compare_methods(*inputs, out=tmp_path, encoder=toy_encoder, on_result=look, **FAST)
    assert len(pages) == 7
    for n_done, page in enumerate(pages, start=1):
        assert f"Unfinished: {8 - n_done} of 8 cells are missing." in page
        assert page.rstrip().endswith("</html>")
    assert "nfinished" not in (tmp_path / "report.html").read_text("utf-8").split("<body>")[1]


def pool(name: str, n: int) -> TextData:
    """Return unlabelled toy texts of a file in a folder that is nobody's business."""
    texts = [f"{name} plum drill {i}" for i in range(n)]
    return TextData(texts, [None] * n, False, list(range(n)), f"/home/secret/{name}.csv")


def test_the_keys_of_results_stay_what_they_were(tmp_path: Path, toy_encoder) -> None:
    """Finished results of a comparison with one encoder and one pool must not be computed anew."""
    methods = ("naive-bayes", "knn", "zero-shot-embedding")
    texts, judged, some = table(6), table(4, start=50), pool("new", 5)
    options = FAST | {"methods": methods, "slices": (2,), "seeds": 1}
    compare_methods(texts, judged, some, out=tmp_path, encoder=toy_encoder, **options)
    train = texts.select(training_slices(texts.labels, (2,), random_state=0)[2])
    common = ["0", content_hash(train), content_hash(judged), library_versions()["fewshot"]]
    space = LabelSpace.of(texts.labels)
    identities = [
        ["naive-bayes", *common],
        ["knn", *common, toy_encoder.fingerprint],
        ["zero-shot-embedding", *common, toy_encoder.fingerprint, fingerprint(some.texts), repr(space)],
    ]
    assert {path.stem for path in (tmp_path / "cells").iterdir()} == set(map(fingerprint, identities))
    header, *_, last = (tmp_path / "results.csv").read_text("utf-8").splitlines()
    assert header.endswith(",predict_seconds,error")
    assert last.startswith(f"zero-shot-embedding,{toy_encoder.name},5,2,4,0,ok,")


def test_methods_meet_each_encoder_and_those_without_run_once(tmp_path: Path, toy_encoder, tiny_static) -> None:
    """The choice of the encoder is the first that a user faces; averaged over encoders no score means anything."""
    inputs, options = (table(6), table(4, start=50)), FAST | {"methods": ("naive-bayes", "knn"), "slices": (1, 2, 3)}
    alone = compare_methods(*inputs, out=tmp_path / "one", encoder=toy_encoder, **options)
    computed = []
    options["on_result"] = lambda cell, row: computed.append(cell.encoder)
    done = compare_methods(*inputs, out=tmp_path / "one", encoder=[toy_encoder, tiny_static], **options)
    assert set(computed) == {tiny_static.name}, "what was there is not computed again"
    assert done.rows[: len(alone.rows)] == alone.rows
    cells = [(row["method"], row["encoder"]) for row in done.rows]
    first, second = f"knn ({toy_encoder.name})", f"knn ({tiny_static.name})"
    assert {cell: cells.count(cell) for cell in dict.fromkeys(cells)} == {
        ("naive-bayes", ""): 6,
        ("knn", toy_encoder.name): 6,
        ("knn", tiny_static.name): 6,
    }
    largest = [row for row in done.contrasts if (row["slice"], row["metric"]) == (3, "macro_f1")]
    assert len(largest) == 3
    assert {row["best"] for row in largest} <= {"naive-bayes", first, second}
    assert [forecast.name for forecast in done.insights.forecasts] == ["naive-bayes", first, second]
    assert first in done.table()
    assert second in done.table()
    page = (tmp_path / "one" / "report.html").read_text("utf-8")
    assert first in page
    assert second in page
    manifest = read_json(tmp_path / "one" / "manifest.json")
    assert manifest["settings"]["encoder"] == [toy_encoder.name, tiny_static.name]


def test_each_encoder_embeds_each_text_once(tmp_path: Path, toy_encoder, tiny_static, monkeypatch) -> None:
    """Embedding anew for each method and encoder is what makes a grid slow; only the timing of a method has to."""
    monkeypatch.setattr("fewshot.recipes.costs.Costed.after_scoring", lambda self: None)
    seen: list[str] = []
    inner = toy_encoder._encode_batch
    toy_encoder._encode_batch = lambda texts: (seen.extend(texts), inner(texts))[1]
    options = FAST | {"methods": ("knn", "linear-probe")}
    new = table(6, start=700), table(4, start=750)  # not remembered from other tests
    compare_methods(*new, out=tmp_path, encoder=(tiny_static, toy_encoder), **options)
    assert len(seen) >= 8
    assert len(seen) == len(set(seen))


def test_methods_meet_each_pool_and_those_without_run_once(tmp_path: Path, toy_encoder) -> None:
    """Which pool helps is a question of its own; its file's whole path is nobody's business."""
    inputs = table(6), table(4, start=50)
    options = FAST | {"methods": ("naive-bayes", "zero-shot-embedding"), "slices": (2,), "encoder": toy_encoder}
    compare_methods(*inputs, pool("new", 5), out=tmp_path, **options)
    computed = []
    options["on_result"] = lambda cell, row: computed.append((cell.method, cell.pool))
    done = compare_methods(*inputs, [pool("new", 5), pool("old", 9)], out=tmp_path, **options)
    assert set(computed) == {("zero-shot-embedding", "old")}, "what was there is not computed again"
    cells = {(row["method"], row["pool"]) for row in done.rows}
    assert cells == {("naive-bayes", None), ("zero-shot-embedding", "new"), ("zero-shot-embedding", "old")}
    assert len(done.rows) == 6
    assert [row["pool"] for row in read_rows(tmp_path / "results.csv").rows] == ["", "", "new", "new", "old", "old"]
    assert "zero-shot-embedding (old)" in done.table()
    manifest = read_json(tmp_path / "manifest.json")
    assert manifest["pools"] == {"new": fingerprint(pool("new", 5).texts), "old": fingerprint(pool("old", 9).texts)}
    assert "new: 5, old: 9" in (tmp_path / "report.html").read_text("utf-8")
    with pytest.raises(InputError, match="'new' and 'new-2' are the same"):
        compare_methods(*inputs, [pool("new", 5), pool("new", 5)], out=tmp_path, **options)


def test_a_pool_may_be_taken_in_parts(tmp_path: Path, toy_encoder) -> None:
    """How many unlabelled texts are enough is what a pool's owner wants to know."""
    options = FAST | {"methods": ("zero-shot-embedding",), "slices": (2,), "encoder": toy_encoder}
    done = compare_methods(table(6), table(4, start=50), pool("new", 9), out=tmp_path, pool_sizes=(3, 9), **options)
    assert [row["pool"] for row in done.rows] == [3, 3, 9, 9]
    assert "zero-shot-embedding (3 unlabeled)" in done.table()
    whole = compare_methods(table(6), table(4, start=50), pool("new", 9), out=tmp_path, **options)
    assert whole.rows == done.rows[2:]
    assert done.pool_sources.keys() == {3, 9}


@pytest.mark.parametrize("multi", [False, True])
def test_without_a_test_set_every_text_may_be_judged(tmp_path: Path, toy_encoder, multi) -> None:
    """A third of sixty labels says nothing of anything; all of them, each held out in its turn, say something."""
    options = FAST | {"slices": (4, 8) if multi else (1, 3), "folds": 3, "encoder": toy_encoder}
    done = compare_methods(table(9, multi=multi), out=tmp_path, **options)
    assert len(done.rows) == 2 * 2 * 2 * 3
    assert {row["fold"] for row in done.rows} == {0, 1, 2}
    assert len(done.seed_rows) == 2 * 2 * 2
    assert len(done.predictions.truth) == 18
    assert [row["n_seeds"] for row in done.summary] == [2] * 4
    for row in done.summary:
        sheets = [one for one in done.seed_rows if (one["method"], one["slice"]) == (row["method"], row["slice"])]
        assert row["macro_f1_mean"] == pytest.approx(np.mean([one["macro_f1"] for one in sheets]))
    for row in done.contrasts:
        assert row["resampled"] == "seeds and texts"
    assert read_rows(tmp_path / "results.csv").columns[-1] == "fold"
    assert len(read_rows(tmp_path / "seeds.csv").rows) == 8
    assert "Trainings share texts" in (tmp_path / "report.html").read_text("utf-8")
    again = compare_methods(
        table(9, multi=multi), out=tmp_path, on_result=lambda cell, row: pytest.fail("computed again"), **options
    )
    assert again.summary == done.summary
    beside = side_by_side(Finished.read(tmp_path), Finished.read(tmp_path))
    assert {(row["method"], row["slice"]): row["a"] for row in beside.rows} == {
        (row["method"], row["slice"]): pytest.approx(row["macro_f1_mean"]) for row in done.summary
    }


def test_folds_that_the_budget_leaves_are_no_score(tmp_path: Path, toy_encoder, monkeypatch) -> None:
    """Texts that nobody answered must not count as wrong, nor half of a seed as all of it."""
    monkeypatch.setattr(
        "fewshot.evaluation.runner.pace.Pace.allows", lambda self, cell: (cell.seed, cell.fold) < (1, 2)
    )
    done = compare_methods(table(9), out=tmp_path, encoder=toy_encoder, folds=3, budget="5m", **FAST)
    assert len(done.rows) == 2 * 2 * 5
    assert {row["seed"] for row in done.seed_rows} == {0}
    assert [row["n_seeds"] for row in done.summary] == [1] * 4


def test_texts_that_are_nearly_the_same_are_found_across_folds(tmp_path: Path, toy_encoder) -> None:
    """Every text is learnt from and judged on: each would be told as a copy of itself."""
    done = compare_methods(table(9), out=tmp_path, encoder=toy_encoder, folds=3, **FAST)
    [leak] = [finding for finding in done.insights.findings if finding.number == 101]
    assert all(row["text"] != row["other text"] for row in leak.evidence)


def test_texts_that_settings_were_chosen_on_are_found(tmp_path: Path, toy_encoder) -> None:
    """A score on the texts that chose a setting is no score on new texts."""
    judged = table(4, start=50)
    inputs = {"out": tmp_path, "encoder": toy_encoder, **FAST}
    used = compare_methods(table(6), judged, validation=table(4, start=52), **inputs)
    [found] = [finding for finding in used.insights.findings if finding.number == 112]
    assert found.verdict == "warning"
    assert "holds 4 of the 8 test texts" in found.text
    assert {row["text"] for row in found.evidence} == set(judged.texts) & set(table(4, start=52).texts)
    unused = compare_methods(table(6), judged, validation=table(4, start=60), **inputs)
    assert next(finding.verdict for finding in unused.insights.findings if finding.number == 112) == "passed"
