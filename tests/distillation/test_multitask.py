"""Several tasks in one student."""

import numpy as np
import pytest

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.core.errors import InputError
from fewshot.distillation.multitask import MultiTaskDistillationTrainer
from fewshot.training.fake_quant import FakeQuantization

FAST = {"steps": 100, "batch_size": 32}


@pytest.fixture(scope="module")
def teachers(tiny_encoder, single, multi):
    """Two tasks on the same texts: one label, and several."""
    return {
        "topic": LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels),
        "topics": LinearProbeClassifier(encoder=tiny_encoder).fit(multi.texts, multi.labels),
    }


@pytest.fixture(scope="module")
def pools(pool):
    """A pool for each task."""
    return {"topic": pool[:80], "topics": pool[40:]}


def test_one_encoder_and_a_head_for_each_task(teachers, pools, single, multi):
    """Prevents two students under one name, and a head that learnt the other task."""
    trainer = MultiTaskDistillationTrainer(teachers, "static", **FAST).fit(pools)
    assert list(trainer.students_) == ["topic", "topics"]
    one, other = trainer.students_.values()
    assert one.encoder_ is other.encoder_
    assert one.label_space_ == teachers["topic"].label_space_
    assert other.label_space_ == teachers["topics"].label_space_
    assert one.score(single.texts, single.labels) >= 0.7
    assert other.score(multi.texts, multi.labels) >= 0.4
    assert len(trainer.losses_) == FAST["steps"]
    for name in pools:
        assert trainer.report_[name]["n_pool"] == 80
        assert trainer.report_[name]["agreement"] is not None
    mean = np.mean([trainer.report_[name]["cosine_correlation"] for name in pools])
    assert trainer.curve_[-1]["cosine_correlation"] == pytest.approx(mean, abs=1e-6)


def test_gold_labels_of_one_task(teachers, pools):
    """Prevents gold labels from reaching the other task, or none."""
    gold = [f"{opening} refund invoice" for opening in ("the", "again", "why", "urgent!", "today")] * 20
    trainer = MultiTaskDistillationTrainer(teachers, "static", **FAST)
    trainer.fit(pools, gold={"topic": (gold, ["login"] * len(gold))})
    assert set(trainer.students_["topic"].predict(gold)) == {"login"}
    assert all("login" not in labels for labels in trainer.students_["topics"].predict(gold[:5]))


def test_it_goes_on_where_it_was(teachers, pools, tmp_path):
    """Prevents checkpoints that are written and never read, and seeds that decide nothing."""
    fast = {**FAST, "steps": 20}
    whole = MultiTaskDistillationTrainer(teachers, "static", **fast, targets=tmp_path / "targets").fit(pools)
    trainer = MultiTaskDistillationTrainer(teachers, "static", **fast, targets=tmp_path / "targets")
    trainer.fit(pools, checkpoints=tmp_path / "checkpoints")
    assert sorted(path.name for path in (tmp_path / "checkpoints").glob("checkpoint-*"))
    again = trainer.fit(pools, checkpoints=tmp_path / "checkpoints", resume=True)
    assert again.losses_ == whole.losses_
    other = MultiTaskDistillationTrainer(teachers, "static", **fast, tau=0.0, random_state=1).fit(pools)
    assert other.losses_ != whole.losses_


@pytest.mark.parametrize(
    ("teachers_given", "pools_given", "options", "message"),
    [
        ({}, {}, {}, "teachers must be teachers by the names"),
        (None, {"topic": ["a"] * 9}, {}, "unlabeled_texts must hold a pool for each task, 'topic', 'topics'"),
        (None, None, {"loss": "match"}, "loss of several tasks must be one of cosine, softmax, relational"),
        (None, None, {"tau": -1.0}, "tau must be 0 or more"),
        (None, None, {"student": "static:x"}, "student must be"),
    ],
)
def test_wrong_use(teachers, pools, teachers_given, pools_given, options, message):
    """Prevents a task that is left out in silence."""
    trainer = MultiTaskDistillationTrainer(
        teachers if teachers_given is None else teachers_given, **{"student": "static", "steps": 1, **options}
    )
    with pytest.raises(InputError, match=message):
        trainer.fit(pools if pools_given is None else pools_given)


def test_gold_of_an_unknown_task(teachers, pools):
    """Prevents a misspelt task from losing its labels."""
    with pytest.raises(InputError, match="tasks without a teacher: 'tone'"):
        MultiTaskDistillationTrainer(teachers, "static").fit(pools, gold={"tone": (["a"], ["b"])})


def test_a_student_of_several_tasks_learns_through_rounding(teachers, pools):
    """Prevents a setting that one trainer has and the other refuses, or takes and does not use."""
    fast = {"steps": 4, "batch_size": 8}
    plain, rounded = (
        MultiTaskDistillationTrainer(teachers, "layers:1", quantization=quantization, **fast).fit(pools)
        for quantization in (None, FakeQuantization())
    )
    assert plain.losses_[0] != rounded.losses_[0]
    late = FakeQuantization(start=0.5)
    with pytest.raises(InputError, match="takes a transformer"):
        MultiTaskDistillationTrainer(teachers, "static", quantization=late, **fast).fit(pools)
    with pytest.raises(InputError, match="patience would keep"):
        MultiTaskDistillationTrainer(teachers, "layers:1", quantization=late, patience=2, **fast).fit(pools)
    with pytest.raises(InputError, match="must be a FakeQuantization or None, got 8"):
        MultiTaskDistillationTrainer(teachers, "layers:1", quantization=8, **fast).fit(pools)
