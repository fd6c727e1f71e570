"""The project's own data sets: frozen, and of the shape that they promise."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fewshot import load_texts

DATA = Path(__file__).parents[1] / "data"
FROZEN = {"support_tickets.csv": "5d35e9f6f1d97e00f46e67f4a072f73d", "issues.jsonl": "947bfe1318b6655af4c5cf872a1aa98c"}


@pytest.mark.parametrize("name", FROZEN)
def test_files_are_frozen(name: str) -> None:
    """A data set that is changed after methods were run on it makes every earlier figure a lie."""
    assert hashlib.md5((DATA / name).read_bytes()).hexdigest() == FROZEN[name]


def test_script_gives_the_same_files(tmp_path: Path) -> None:
    """Unlabelled rows that nobody can make again are not reproducible."""
    shutil.copytree(DATA, tmp_path / "data")
    subprocess.run([sys.executable, tmp_path / "data" / "compose_unlabeled.py"], check=True, capture_output=True)
    for name in FROZEN:
        assert (tmp_path / "data" / name).read_bytes() == (DATA / name).read_bytes()


def test_support_tickets() -> None:
    """Slices of 16 a class need 16 training rows of each of the 13 classes."""
    path = DATA / "support_tickets.csv"
    train, test, pool = (load_texts(path, split=split) for split in ("train", "test", "unlabeled"))
    assert set(Counter(train.labels).values()) == {16}
    assert len(Counter(test.labels)) == 13
    assert "out_of_scope" in train.labels
    assert (len(train) + len(test), len(pool), len(pool.labeled)) == (400, 1500, 0)


def test_issues() -> None:
    """The multi-label set must stay imbalanced, with duplicates and empty bodies, in the shape of GitHub's API."""
    rows = [json.loads(line) for line in (DATA / "issues.jsonl").read_text("utf-8").splitlines()]
    assert all(set(row) == {"number", "title", "body", "labels"} for row in rows)
    data = load_texts(DATA / "issues.jsonl", empty_labels="unlabeled")
    assert (len(data.labeled), len(data.unlabeled)) == (300, 600)
    counts = Counter(label for labels in data.labeled.labels for label in labels)
    assert len(counts) == 9
    assert counts.most_common()[0][1] > 3 * counts.most_common()[-1][1]
    assert {len(labels) for labels in data.labeled.labels} == {1, 2, 3}
    unlabeled = [row for row in rows if not row["labels"]]
    assert any(not row["body"] for row in unlabeled)
    assert len({(row["title"], row["body"]) for row in unlabeled}) < len(unlabeled)
