"""Distillation of tiny teachers into tiny students."""

import tracemalloc

import numpy as np
import pytest
import torch

from fewshot.classifiers.knn import KNNClassifier
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.core.errors import InputError, TeacherError
from fewshot.data.labels import LabelSpace
from fewshot.distillation.pairwise import DistillationTrainer
from fewshot.distillation.student_training import default_schedule
from fewshot.encoders.cached import CachedEncoder
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.encoders.static import StaticEncoder
from fewshot.heads.table import LinearHead
from fewshot.training.fake_quant import FakeQuantization
from fewshot.training.sparsity import MagnitudePruning

STEPS = 100
TRAINING = {"steps": STEPS, "batch_size": 32, "learning_rate": 2e-2}
"""Enough for a token that comes in a dozen texts: its row moves as far as its count allows."""

KEYS = {
    "n_pool",
    "n_gold",
    "n_held_out",
    "n_left_out",
    "steps",
    "cosine_correlation_before",
    "cosine_correlation",
    "probe_agreement_before",
    "probe_agreement",
    "probe_agreement_of_teacher",
    "agreement",
    "kept_step",
    "domain_distance",
    "notes",
}


@pytest.fixture(scope="module")
def teacher(tiny_encoder, single):
    """A linear probe on the tiny transformer."""
    return LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)


@pytest.fixture(scope="module")
def multi_teacher(tiny_encoder, multi):
    """The same for several labels."""
    return LinearProbeClassifier(encoder=tiny_encoder).fit(multi.texts, multi.labels)


@pytest.fixture(scope="module")
def distilled(teacher, pool):
    """One distillation into a token table, for tests that only look."""
    return DistillationTrainer(teacher, "static", **TRAINING).fit(pool)


def test_the_student_is_a_classifier_of_the_teachers_classes(distilled, teacher, single):
    """Prevents a student of its own kind that scoring, saving and serving would not know."""
    student = distilled.student_
    assert type(student) is LinearProbeClassifier
    assert isinstance(student.encoder_, StaticEncoder)
    assert student.classes_.tolist() == teacher.classes_.tolist()
    probabilities = student.predict_proba(single.test_texts)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-9)
    assert student.score(single.test_texts, single.test_labels) >= 0.8


def test_training_brings_the_student_nearer(distilled, teacher, tiny_static, pool):
    """Prevents a distillation that runs and teaches nothing, and a report of something else than was done."""
    report = distilled.report_
    assert set(report) == KEYS
    assert report["cosine_correlation"] > 0.6
    assert report["agreement"] >= 0.75
    assert (report["n_pool"], report["n_gold"], report["n_held_out"], report["steps"]) == (len(pool), 0, 12, STEPS)
    assert len(distilled.losses_) == STEPS
    rows = np.random.default_rng(0).normal(size=tiny_static.table.shape)
    ignorant = StaticEncoder(rows * 0.03, tiny_static.tokenizer, name="ignorant")
    trained = DistillationTrainer(teacher, ignorant, **TRAINING).fit(pool)
    assert trained.report_["cosine_correlation"] > trained.report_["cosine_correlation_before"] + 0.2
    assert trained.report_["probe_agreement"] >= trained.report_["probe_agreement_before"]
    assert np.mean(trained.losses_[-5:]) < np.mean(trained.losses_[:5]) / 2


def test_transformers_learn_too(teacher, pool, single):
    """Prevents a transformer student that is never trained, or trained the wrong way round."""
    model = teacher.encoder_.trainable_copy()
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    student = SentenceEncoder(model, name="noisy", device="cpu", precision="float32")
    trainer = DistillationTrainer(teacher, student=student, steps=25, batch_size=32, learning_rate=2e-3).fit(pool)
    assert isinstance(trainer.student_.encoder_, SentenceEncoder)
    assert trainer.report_["cosine_correlation"] > trainer.report_["cosine_correlation_before"]
    assert trainer.student_.score(single.test_texts, single.test_labels) >= 0.8


def test_arguments_are_only_stored(teacher):
    """Prevents a constructor that opens models or alters what it was given."""
    given = {
        "encoder": "nowhere",
        "loss": {"cosine": 1.0},
        "temperature": 0.1,
        "queue_size": 9,
        "mining": "hard",
        "confidence": "weight",
        "generated": 3,
        "steps": 3,
        "batch_size": 5,
        "learning_rate": 0.1,
        "accumulation": 2,
        "patience": 4,
        "targets": "runs/targets",
        "pruning": MagnitudePruning(sparsity=0.5),
        "quantization": FakeQuantization(start=0.5),
        "device": "cpu",
        "random_state": 7,
    }
    trainer = DistillationTrainer("runs/nowhere", "layers:9", **given)
    assert vars(trainer) == {"teacher": "runs/nowhere", "student": "layers:9", **given}


def test_several_labels(multi_teacher, pool, multi):
    """Prevents a softmax over labels that may apply together."""
    trainer = DistillationTrainer(multi_teacher, "static", steps=40, batch_size=32).fit(pool, multi.texts, multi.labels)
    student = trainer.student_
    assert student.label_space_ == multi_teacher.label_space_
    assert all(isinstance(entry, tuple) for entry in student.predict(multi.test_texts))
    assert student.predict_proba(multi.test_texts).sum(axis=1).std() > 0.01
    assert student.score(multi.texts, multi.labels) >= 0.5
    assert trainer.report_["n_gold"] == len(multi.texts)
    assert 0.0 <= trainer.report_["agreement"] <= 1.0


def test_gold_labels_overrule_the_teacher(teacher, pool, distilled):
    """Prevents gold labels that are asked for and not used."""
    gold = [f"{opening} refund invoice" for opening in ("the", "again", "why", "urgent!", "today")]
    assert set(distilled.student_.predict(gold)) == {"billing"}
    told = DistillationTrainer(teacher, "static", steps=40, batch_size=32).fit(pool, gold * 20, ["login"] * 100)
    assert set(told.student_.predict(gold)) == {"login"}
    assert told.report_["n_gold"] == 100
    assert set(teacher.predict(gold)) == {"billing"}


def test_a_gold_text_in_the_pool_counts_as_gold(teacher, pool):
    """Prevents the teacher's opinion of a text from standing beside its gold label."""
    trainer = DistillationTrainer(teacher, "static", steps=1).fit(pool, pool[:3], ["login"] * 3)
    assert (trainer.report_["n_pool"], trainer.report_["n_gold"]) == (len(pool) - 3, 3)


def test_duplicates_count_once(teacher, pool, distilled):
    """Prevents a frequent text from being its own neighbour in a batch, and empty texts from training."""
    trainer = DistillationTrainer(teacher, "static", **TRAINING).fit([*pool, *pool[::-1], "", "  \n"])
    assert trainer.report_ == distilled.report_
    assert trainer.losses_ == distilled.losses_


def test_one_seed_one_student(teacher, pool, distilled, single):
    """Prevents results that nobody can repeat, seeds that make no difference, and changed global random states."""
    np.random.seed(4), torch.manual_seed(4)  # noqa: NPY002
    before = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    again = DistillationTrainer(teacher, "static", **TRAINING).fit(pool)
    assert before == (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002
    assert again.losses_ == distilled.losses_
    assert again.report_ == distilled.report_
    ours, theirs = (trainer.student_.predict_proba(single.texts) for trainer in (again, distilled))
    np.testing.assert_array_equal(ours, theirs)
    other = DistillationTrainer(teacher, "static", steps=40, batch_size=32, random_state=1).fit(pool)
    assert other.losses_ != distilled.losses_


def test_fit_starts_afresh(teacher, pool, distilled):
    """Prevents the first pool's student from being trained on by the second call."""
    trainer = DistillationTrainer(teacher, "static", **TRAINING)
    assert trainer.fit(pool[:20]) is trainer
    assert trainer.fit(pool).losses_ == distilled.losses_


@pytest.mark.parametrize("student", ["static", "layers:2"])
def test_the_teacher_stays(teacher, pool, student):
    """Prevents the student's training from reaching the teacher's weights, or leaving a hook on it."""
    before = teacher.encoder_.fingerprint, teacher.predict_proba(pool)
    DistillationTrainer(teacher, student=student, steps=2, batch_size=16).fit(pool)
    teacher.encoder_._fingerprint = None
    assert teacher.encoder_.fingerprint == before[0]
    np.testing.assert_array_equal(teacher.predict_proba(pool), before[1])
    assert not teacher.encoder_.model[1]._forward_hooks


@pytest.mark.parametrize("student", ["static", "layers:2"])
def test_saved_and_loaded_is_the_same(teacher, pool, single, student, tmp_path):
    """Prevents a student that answers otherwise after it was saved."""
    student = DistillationTrainer(teacher, student=student, steps=3, batch_size=16).fit(pool).student_
    student.save(tmp_path / "student")
    loaded = load_classifier(tmp_path / "student", device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(single.texts), student.predict_proba(single.texts))
    content = [file.read_bytes() for file in (tmp_path / "student").rglob("*") if file.is_file()]
    assert not [text for text in pool if any(text.encode() in data for data in content)]


def test_a_teacher_on_disk(teacher, pool, distilled, tmp_path):
    """Prevents a folder from teaching otherwise than the object that was saved there."""
    teacher.save(tmp_path / "teacher")
    trainer = DistillationTrainer(tmp_path / "teacher", "static", **TRAINING, device="cpu").fit(pool)
    assert trainer.losses_ == pytest.approx(distilled.losses_, rel=1e-4)


def test_other_teachers_and_students(tiny_static, tiny_encoder, tiny_folder, single, pool):
    """Prevents a teacher without layers from teaching no one, and a student object from being altered."""
    teacher = KNNClassifier(encoder=CachedEncoder(tiny_static)).fit(single.texts, single.labels)
    before = tiny_encoder.fingerprint
    trainer = DistillationTrainer(teacher, student=tiny_encoder, steps=2, batch_size=16, device="cpu").fit(pool)
    assert trainer.student_.classes_.tolist() == teacher.classes_.tolist()
    tiny_encoder._fingerprint = None
    assert tiny_encoder.fingerprint == before
    with pytest.raises(InputError, match="is cut from a transformer"):
        DistillationTrainer(teacher, student="static").fit(pool)
    with pytest.raises(InputError, match="more than the 2,208 of the teacher's encoder"):
        DistillationTrainer(teacher, student=str(tiny_folder), device="cpu").fit(pool)


def test_a_small_pool_has_no_held_out_figures(teacher, pool):
    """Prevents a correlation over three texts from being reported as one."""
    report = DistillationTrainer(teacher, "static", steps=1).fit(pool[:8]).report_
    assert set(report) == KEYS
    assert report["n_held_out"] == 0
    assert report["cosine_correlation"] is report["cosine_correlation_before"] is report["agreement"] is None


def test_no_steps(teacher, pool):
    """Prevents ``steps=0`` from meaning the default: the untrained student with a head is a baseline."""
    trainer = DistillationTrainer(teacher, "static", steps=0).fit(pool)
    assert trainer.losses_ == []
    assert trainer.report_["cosine_correlation"] == pytest.approx(
        trainer.report_["cosine_correlation_before"], abs=1e-3
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a", "b"],), "needs at least 8"),
        ((["same"] * 50,), "needs at least 8"),
        (([" "] * 50,), "needs at least 8"),
        (("one text",), "got one string"),
        (([None] * 9,), r"texts\[0\] must be a string"),
        ((None, ["a"]), "given together"),
        ((None, None, ["login"]), "given together"),
        ((None, ["a", "b"], ["login"]), "same length"),
        ((None, ["a"], ["nowhere"]), "not one of the 3 classes"),
        ((None, ["a"], [("login",)]), "not one of the 3 classes"),
        ((None, ["a"], [None]), "not one of the 3 classes"),
    ],
)
def test_bad_pools_and_gold(teacher, pool, arguments, message):
    """Prevents training on nothing, or on labels that the teacher does not know."""
    texts, *gold = arguments
    with pytest.raises(InputError, match=message):
        DistillationTrainer(teacher, "static", steps=1).fit(pool if texts is None else texts, *gold)


@pytest.mark.parametrize(
    "arguments", [{"batch_size": 0}, {"batch_size": 1}, {"learning_rate": 0.0}, {"steps": -1}, {"random_state": -1}]
)
def test_bad_arguments(teacher, pool, arguments):
    """Prevents zero from being taken for "not given", and a training nobody asked for."""
    with pytest.raises(InputError, match=next(iter(arguments))):
        DistillationTrainer(teacher, "static", **{"steps": 1, **arguments}).fit(pool)


@pytest.mark.parametrize("value", [0.0, float("nan")])
@pytest.mark.parametrize("student", ["static", "layers:2"])
def test_a_broken_teacher_is_refused(tiny_model, pool, value, student):
    """Prevents a student that follows a constant teacher, or one of NaN, quietly into nonsense."""
    import copy

    model = copy.deepcopy(tiny_model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)
    head = LinearHead(np.ones((2, 32)), np.zeros(2), multi_label=False, C=1.0)
    encoder = SentenceEncoder(model, name="broken", device="cpu", precision="float32")
    broken = LinearProbeClassifier.from_parts(encoder, head, LabelSpace.of(["a", "b"]))
    with pytest.raises(TeacherError):
        DistillationTrainer(broken, student=student, steps=1).fit(pool)


def test_memory_grows_with_the_texts_and_not_with_their_pairs(tiny_static, single):
    """Prevents a matrix of all pairs: for 5,000 texts it would take 100 MB in float32 alone."""
    texts = [f"text {i} {'refund' if i % 2 else 'parcel'}" for i in range(5000)]
    teacher = LinearProbeClassifier(encoder=tiny_static).fit(single.texts, single.labels)
    student = StaticEncoder(tiny_static.table[:, ::-1] * 0.5 + 0.01, tiny_static.tokenizer)
    tracemalloc.start()
    try:
        DistillationTrainer(teacher, student=student, steps=3, batch_size=64).fit(texts)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * 2**20


def test_the_default_schedule_is_bounded():
    """Prevents one step for a small pool, and days for a large one."""
    for table, least in ((True, 51), (False, 50)):
        steps = [default_schedule(n, table=table).steps for n in (8, 10**4, 10**7)]
        assert steps[0] == least
        assert steps[-1] == 2000
        assert steps == sorted(steps)


def test_a_pool_of_another_kind_is_told(teacher, single, pool):
    """Prevents a student that learns its teacher's answers where no text will ever lie, without a word."""
    far = [f"{a} {b} {c}" for a in "0123456789" for b in "13579" for c in "02"]
    notes = {}
    for name, texts in (("near", pool), ("far", far)):
        trainer = DistillationTrainer(teacher, "static", **TRAINING | {"steps": 2})
        notes[name] = trainer.fit(texts, single.texts, single.labels).report_
    assert notes["near"]["domain_distance"] < notes["far"]["domain_distance"]
    assert any("distance" in note for note in notes["far"]["notes"]), notes["far"]
    assert not any("distance" in note for note in notes["near"]["notes"]), notes["near"]
