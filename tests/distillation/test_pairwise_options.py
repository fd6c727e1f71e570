"""What a distillation can be told: losses, mining, weights, several teachers, other encoders, stored targets."""

import numpy as np
import pytest

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.core.errors import InputError
from fewshot.data.pool import open_pool
from fewshot.distillation import pairwise as pairwise_module
from fewshot.distillation import task as task_module
from fewshot.distillation.pairwise import DistillationTrainer
from fewshot.distillation.table_students import TABLE_STUDENTS
from fewshot.distillation.target_store import TargetStore
from fewshot.distillation.transfer_set import OrderedTexts, make_transfer_set

FAST = {"steps": 30, "batch_size": 32}


@pytest.fixture(scope="module")
def teacher(tiny_encoder, single):
    """A linear probe on the tiny transformer."""
    return LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)


@pytest.fixture(scope="module")
def plain(teacher, pool):
    """The default way, to tell others from."""
    return DistillationTrainer(teacher, "static", **FAST).fit(pool)


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "softmax", "temperature": 0.1},
        {"loss": "relational"},
        {"loss": "match"},
        {"loss": {"cosine": 1.0, "softmax": 0.1}},
        {"loss": {"cosine": 1.0, "classes": 0.1}},
        {"queue_size": 64},
        {"mining": "hard"},
        {"mining": "boundary"},
        {"confidence": "weight"},
        {"confidence": "drop:0.8"},
        {"accumulation": 2},
        {"generated": 40},
    ],
    ids=str,
)
def test_every_option_changes_the_training(teacher, pool, plain, options):
    """Prevents an option that is taken and has no effect, and one that breaks the student."""
    trainer = DistillationTrainer(teacher, "static", **FAST, **options).fit(pool)
    assert len(trainer.losses_) == FAST["steps"]
    assert trainer.losses_ != plain.losses_
    assert trainer.report_["cosine_correlation"] > 0.4
    again = DistillationTrainer(teacher, "static", **FAST, **options).fit(pool)
    assert again.losses_ == trainer.losses_


def test_confidence_reaches_the_head(teacher, pool, single, plain):
    """Prevents weights that the encoder learns by and the head does not."""
    weighted = DistillationTrainer(teacher, "static", steps=0, confidence="weight").fit(pool)
    even = DistillationTrainer(teacher, "static", steps=0).fit(pool)
    np.testing.assert_array_equal(
        weighted.student_.encoder_.encode(single.texts), even.student_.encoder_.encode(single.texts)
    )
    ours, theirs = (trainer.student_.predict_proba(single.texts) for trainer in (weighted, even))
    assert np.abs(ours - theirs).max() > 1e-4


@pytest.mark.parametrize("student", TABLE_STUDENTS)
def test_every_table(teacher, pool, student, single, tmp_path):
    """Prevents a kind of table that can be named but not trained, saved or opened."""
    made = DistillationTrainer(teacher, student, **FAST).fit(pool).student_
    assert made.encoder_.name == student
    made.save(tmp_path / "student")
    loaded = load_classifier(tmp_path / "student")
    np.testing.assert_array_equal(loaded.predict_proba(single.texts), made.predict_proba(single.texts))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "cosin"}, "Did you mean 'cosine'"),
        ({"loss": {}}, "loss must be a name"),
        ({"temperature": 0.1}, "temperature is a setting of the loss 'softmax'"),
        ({"queue_size": -1}, "queue_size must be 0"),
        ({"queue_size": 9, "loss": "relational"}, "goes with the losses"),
        ({"mining": "easy"}, "mining must be one of uniform, hard, boundary"),
        ({"confidence": "drop:2"}, "needs a P above 0"),
        ({"accumulation": 0}, "accumulation must be at least 1"),
        ({"generated": -1}, "generated must be 0 texts or more"),
        ({"patience": 0}, "patience must be at least 1 look"),
        ({"student": "static:letters"}, "student must be 'static'"),
    ],
    ids=str,
)
def test_wrong_options_are_found_before_the_teacher_works(pool, options, message, tiny_encoder, single):
    """Prevents an hour of teaching before a misspelt option is found."""
    teacher = LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)
    teacher.probabilities_from = None  # it cannot say anything
    with pytest.raises(InputError, match=message):
        DistillationTrainer(teacher, **{"student": "static", **options}).fit(pool)


def test_a_teacher_without_vectors_and_an_encoder(tiny_encoder, single, pool):
    """Prevents labels of a zero-shot or word-count teacher from being unteachable, and from being lost."""
    teacher = NaiveBayesClassifier().fit(single.texts, single.labels)
    with pytest.raises(InputError, match="name one by encoder="):
        DistillationTrainer(teacher, "static", **FAST).fit(pool)
    trainer = DistillationTrainer(teacher, "static", encoder=tiny_encoder, steps=100, batch_size=32).fit(pool)
    agrees = np.mean([a == b for a, b in zip(trainer.student_.predict(pool), teacher.predict(pool), strict=True)])
    assert agrees >= 0.9
    assert trainer.report_["cosine_correlation"] > 0.4


def test_several_teachers(teacher, tiny_encoder, single, pool, plain):
    """Prevents a mixture whose second teacher says nothing, and weights that count nothing."""
    swapped = {"billing": "delivery", "delivery": "login", "login": "billing"}
    other = LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, [swapped[label] for label in single.labels])
    for weights, right in (((9, 1), 1.0), ((1, 9), 0.0)):
        mixture = list(zip((teacher, other), weights, strict=True))
        student = DistillationTrainer(mixture, "static", steps=100, batch_size=32).fit(pool).student_
        assert abs(student.score(pool, list(teacher.predict(pool))) - right) <= 0.2
    with pytest.raises(InputError, match="has none; name one by encoder"):
        DistillationTrainer([(teacher, 1), (NaiveBayesClassifier().fit(single.texts, single.labels), 1)], "static").fit(
            pool
        )


class TestPatience:
    """Stopping where agreement no longer rises."""

    def test_the_best_look_is_kept(self, teacher, pool, monkeypatch):
        """Prevents the last weights from being kept where earlier ones were better."""
        seen = iter([0.5, 0.9, 0.4, 0.4, 0.4, 0.4])
        vectors = []

        def look(self, encoder, n_texts=None):
            vectors.append(encoder.encode(pool[:3]))
            return {"cosine_correlation": 0.5, "agreement": next(seen, 0.1)}

        monkeypatch.setattr(task_module.DistillationTask, "look", look)
        trainer = DistillationTrainer(teacher, "static", steps=50, batch_size=16, patience=2).fit(pool)
        # the first look is before training, the last after it
        assert [row["agreement"] for row in trainer.curve_] == [0.9, 0.4, 0.4]
        assert [row["step"] for row in trainer.curve_] == [5, 10, 15]
        assert trainer.report_["kept_step"] == 5
        assert len(trainer.losses_) == 15
        np.testing.assert_array_equal(trainer.student_.encoder_.encode(pool[:3]), vectors[1])

    def test_without_patience_it_trains_to_the_end(self, plain):
        """Prevents a curve that is empty, or a training that stops by itself."""
        assert [row["step"] for row in plain.curve_] == list(range(3, 31, 3))
        assert plain.report_["kept_step"] is None
        for row in plain.curve_:
            assert set(row) == {"step", "loss", "cosine_correlation", "agreement"}
        assert np.mean([row["loss"] for row in plain.curve_]) == pytest.approx(np.mean(plain.losses_))

    def test_looking_changes_nothing(self, teacher, pool, plain, monkeypatch):
        """Prevents a student that depends on how often it was looked at."""
        monkeypatch.setattr("fewshot.distillation.student_training.LOOKS", 1)
        again = DistillationTrainer(teacher, "static", **FAST).fit(pool)
        assert again.losses_ == plain.losses_
        assert len(again.curve_) == 1


class TestStoredTargets:
    """Targets that are kept on disk."""

    def test_they_give_the_same_student(self, teacher, pool, single, tmp_path):
        """Prevents a student that depends on whether its teacher's answers came from a file."""
        options = {**FAST, "targets": TargetStore(tmp_path, precision="float32")}
        stored = DistillationTrainer(teacher, "static", **options).fit(pool, single.texts, single.labels)
        plain = DistillationTrainer(teacher, "static", **FAST).fit(pool, single.texts, single.labels)
        assert stored.losses_ == pytest.approx(plain.losses_, rel=0.05)
        assert stored.report_["agreement"] == plain.report_["agreement"]

    def test_the_teacher_is_asked_once(self, teacher, pool, tmp_path, monkeypatch):
        """Prevents each student and seed from paying for the teacher again."""
        first = DistillationTrainer(teacher, "static", **FAST, targets=tmp_path).fit(pool)
        asked = []
        encode = type(teacher.encoder_).encode

        def counting(self, texts):
            if self is teacher.encoder_:
                asked.extend(texts)
            return encode(self, texts)

        monkeypatch.setattr(type(teacher.encoder_), "encode", counting)
        again = DistillationTrainer(teacher, "static", **FAST, targets=str(tmp_path)).fit(pool)
        other = DistillationTrainer(teacher, "layers:2", **FAST, targets=tmp_path, random_state=3).fit(pool)
        assert asked == []
        assert again.losses_ == first.losses_
        assert again.report_ == first.report_
        assert other.report_["n_held_out"] == first.report_["n_held_out"]

    def test_tokens_are_seen_whenever_they_are_asked_for(self, teacher, pool, tmp_path):
        """Prevents a table that starts elsewhere because another student's run filled the store before."""
        DistillationTrainer(teacher, "layers:1", **FAST, targets=tmp_path / "one").fit(pool)
        late = DistillationTrainer(teacher, "static", **FAST, targets=tmp_path / "one").fit(pool)
        early = DistillationTrainer(teacher, "static", **FAST, targets=tmp_path / "two").fit(pool)
        assert late.losses_ == early.losses_

    def test_a_damaged_file_of_tokens_is_made_again(self, teacher, pool, tmp_path):
        """Prevents a torn file from ending the run, or from being read as something."""
        store = TargetStore(tmp_path)
        first = DistillationTrainer(teacher, "static", **FAST, targets=store).fit(pool)
        for file in task_module.tokens_folder(store).iterdir():
            file.write_bytes(file.read_bytes()[:100])
        assert DistillationTrainer(teacher, "static", **FAST, targets=store).fit(pool).losses_ == first.losses_


class TestPools:
    """Pools that lie in a file."""

    def test_a_pool_gives_what_its_texts_give(self, teacher, pool, single, plain):
        """Prevents another student where the same texts come from a file."""
        opened = open_pool(pool)
        assert DistillationTrainer(teacher, "static", **FAST).fit(opened).losses_ == plain.losses_
        gold = single.texts[:4] + pool[:2], [*single.labels[:4], "login", "login"]
        ours, theirs = (DistillationTrainer(teacher, "static", **FAST).fit(p, *gold) for p in (opened, pool))
        assert ours.losses_ == theirs.losses_
        assert ours.report_ == theirs.report_

    def test_it_is_not_read_into_memory(self, teacher, pool):
        """Prevents ten million texts from becoming a list."""
        transfer = make_transfer_set(teacher.label_space_, open_pool(pool))
        assert isinstance(transfer.train, OrderedTexts)
        assert list(transfer.train) == [transfer.train[row] for row in range(len(transfer.train))]
        assert transfer.train[-1] == transfer.train[len(transfer.train) - 1]
        assert transfer.train[1:3] == list(transfer.train)[1:3]
        with pytest.raises(IndexError):
            transfer.train[len(transfer.train)]
        assert sorted([*transfer.train, *transfer.held_out]) == sorted(pool)

    def test_gold_texts_beside_a_large_pool(self, teacher, pool, single, monkeypatch):
        """Prevents gold labels from being lost where their texts do not join the pool."""
        monkeypatch.setattr("fewshot.distillation.pairwise.MOST_JOINED", 50)
        gold = [f"{opening} refund invoice" for opening in ("the", "again", "why", "urgent!", "today")]
        trainer = DistillationTrainer(teacher, "static", **FAST).fit(pool, gold * 20, ["login"] * 100)
        assert trainer.report_["n_gold"] == 100
        assert set(trainer.student_.predict(gold)) == {"login"}


@pytest.mark.parametrize("student", ["layers:2", "width:16"])
def test_a_part_of_the_teacher_stays_in_its_space(teacher, tiny_encoder, pool, student, monkeypatch):
    """Prevents a learnt projection between spaces that are one, and none between spaces that are two."""
    made = []
    original = pairwise_module.make_similarity_loss
    monkeypatch.setattr(
        pairwise_module, "make_similarity_loss", lambda *a, **k: made.append(original(*a, **k)) or made[-1]
    )
    trainer = DistillationTrainer(
        teacher, student, loss={"cosine": 1, "match": 1}, steps=60, batch_size=16, learning_rate=3e-3
    ).fit(pool)
    (loss,) = made
    assert (loss.parts[1].projection is None) == (student == "layers:2")
    ours, theirs = trainer.student_.encoder_.encode(pool), tiny_encoder.encode(pool)
    if student == "layers:2":
        assert np.mean((ours * theirs).sum(axis=1)) > 0.98
