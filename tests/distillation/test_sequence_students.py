"""Students of logits before their training."""

import numpy as np
import pytest

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.core.errors import DataWarning, InputError, SourceNotFoundError
from fewshot.data.labels import LabelSpace
from fewshot.distillation.sequence_students import build_sequence_student
from tests.distillation.logit_cases import bert_config, make_classifier, make_tokenizer, weights

SPACE = LabelSpace(("a", "b", "c"), multi_label=False)


@pytest.fixture(scope="module")
def teacher(tiny_tokenizer):
    """A BERT of four layers."""
    return make_classifier(make_tokenizer(tiny_tokenizer), SPACE.classes, layers=4)


def test_cut_from_the_teacher(teacher):
    """Prevents a student that shares weights with its teacher, or keeps neighbouring layers."""
    before = weights(teacher.model_)
    student = build_sequence_student(teacher, "layers:2", SPACE, device="cpu")
    layers, theirs = student.model_.bert.encoder.layer, teacher.model_.bert.encoder.layer
    assert len(layers) == student.model_.config.num_hidden_layers == 2
    for kept, whole in zip(layers, (theirs[0], theirs[3]), strict=True):
        assert weights(kept) == weights(whole)
    whole = build_sequence_student(teacher, "layers:4", SPACE, device="cpu")
    np.testing.assert_array_equal(whole.logits(["hello"]), teacher.logits(["hello"]))
    for parameter in student.model_.parameters():
        parameter.data.zero_()
    assert weights(teacher.model_) == before


def test_by_name_by_configuration_and_by_copy(teacher, tiny_folder, tiny_encoder, single):
    """Prevents a new head that differs from run to run, and a student object that is trained itself."""
    named = [build_sequence_student(teacher, str(tiny_folder), SPACE, device="cpu", random_state=s) for s in (0, 0, 1)]
    config = bert_config(len(teacher.tokenizer_), layers=1)
    random = [build_sequence_student(teacher, config, SPACE, device="cpu", random_state=s) for s in (0, 0, 1)]
    for one, same, other in (named, random):
        assert weights(one.model_) == weights(same.model_)
        assert weights(one.model_) != weights(other.model_)
        assert one.classes_.tolist() == ["a", "b", "c"]
    assert config.num_labels == 2
    copied = build_sequence_student(teacher, teacher, SPACE, device="cpu")
    assert copied.model_ is not teacher.model_
    assert weights(copied.model_) == weights(teacher.model_)
    probe = LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)
    assert build_sequence_student(probe, config, probe.label_space_, device="cpu").logits(["hello"]).shape == (1, 3)


def test_thresholds_begin_as_the_teachers(tiny_tokenizer):
    """Prevents an agreement "before" that compares decisions at different thresholds."""
    space = LabelSpace(("a", "b"), multi_label=True)
    teacher = make_classifier(make_tokenizer(tiny_tokenizer), space.classes, multi_label=True)
    teacher.set_thresholds([0.2, 0.7])
    student = build_sequence_student(teacher, "layers:1", space, device="cpu")
    assert student.threshold_.tolist() == [0.2, 0.7]


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ("layers:5", "the teacher has 4 layers; keep 1 to 4"),
        ("layers:0", "keep 1 to 4"),
        ("layers:two", "'layers:N' with a number N"),
        ("", "student must be an encoder's name"),
        (None, "student must be an encoder's name"),
        (bert_config(7), "vocab_size 7, but the tokenizer has"),
        ("static", r"has no logits of its own; take DistillationTrainer\(teacher, student='static'\)"),
        ("static:words+bigrams", "has no logits of its own"),
        ("layer:2", "'layers:N', a configuration .* got 'layer:2', which is no folder, either. Did you mean 'layers'"),
        ("width:3", "got 'width:3', which is no folder, either.$"),
    ],
)
def test_wrong_students(teacher, student, message):
    """Prevents a misspelt student from being found after the teacher has read the pool."""
    with pytest.raises(InputError, match=message):
        build_sequence_student(teacher, student, SPACE, device="cpu")


def test_students_that_do_not_fit(teacher, single):
    """Prevents layers from being cut from bags of words, and classes from being taken for others."""
    bayes = NaiveBayesClassifier().fit(single.texts, single.labels)
    with pytest.raises(InputError, match="is cut from a SequenceClassifier, and the teacher is a NaiveBayes"):
        build_sequence_student(bayes, "layers:2", bayes.label_space_)
    with pytest.raises(InputError, match="needs tokenizer"):
        build_sequence_student(bayes, bert_config(200), bayes.label_space_)
    with pytest.raises(InputError, match=r"student has the classes 'a', 'b', 'c'.*the teacher 'billing'"):
        build_sequence_student(bayes, teacher, bayes.label_space_)


def test_a_token_table_is_no_student(teacher, tiny_static, tmp_path):
    """Prevents an error of transformers about a folder that is a fine student for the other trainer."""
    tiny_static.save(tmp_path / "table")
    with pytest.raises(InputError, match=r"table' is a table of tokens, which has no logits of its own"):
        build_sequence_student(teacher, str(tmp_path / "table"), SPACE)
    with pytest.raises(InputError, match="student must be an encoder's name"):
        build_sequence_student(teacher, tiny_static, SPACE)
    with pytest.raises(SourceNotFoundError, match="neither a local folder nor to be had from the Hub"):
        build_sequence_student(teacher, "nobody/nothing", SPACE)


def test_a_folder_may_have_any_name(teacher, tiny_folder, tmp_path):
    """Prevents a folder with a colon in its name from being taken for a misspelt word."""
    (tmp_path / "static:mine").symlink_to(tiny_folder)
    made = build_sequence_student(teacher, tmp_path / "static:mine", SPACE, device="cpu")
    assert made.model == str(tmp_path / "static:mine")


def test_a_student_larger_than_its_teacher(teacher, tiny_static, tiny_folder, single):
    """Prevents a distillation that ends in a larger model, unnoticed; and a warning at a student of the same size."""
    large = bert_config(len(teacher.tokenizer_), layers=5)
    with pytest.warns(
        DataWarning, match=r"the student has [\d,]+ parameters and the teacher [\d,]+, heads not counted"
    ):
        build_sequence_student(teacher, large, SPACE, device="cpu")
    build_sequence_student(teacher, bert_config(len(teacher.tokenizer_), layers=4), SPACE, device="cpu")
    table = LinearProbeClassifier(encoder=tiny_static).fit(single.texts, single.labels)
    with pytest.warns(DataWarning, match="it will be larger and slower than what it learns from"):
        build_sequence_student(table, str(tiny_folder), table.label_space_, device="cpu")
