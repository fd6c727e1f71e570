"""Students: which layers are kept, and what is refused."""

import copy

import numpy as np
import pytest
import torch

from fewshot.core.errors import InputError, SourceNotFoundError
from fewshot.distillation.cut_students import keep_layers
from fewshot.distillation.students import build_student, check_student, trainable_model, trained_encoder
from fewshot.encoders.cached import CachedEncoder
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.encoders.static import StaticEncoder
from fewshot.training.layer_cuts import evenly_spaced


@pytest.mark.parametrize("n_layers", [1, 2, 4, 6, 12])
def test_kept_layers_are_spaced_evenly(n_layers):
    """Prevents a layer that is kept twice, or a student without the first or the last layer."""
    for n_kept in range(1, n_layers + 1):
        kept = evenly_spaced(n_layers, n_kept)
        assert len(set(kept)) == n_kept
        assert kept == sorted(kept)
        assert kept[0] == 0
        assert n_kept == 1 or kept[-1] == n_layers - 1
        gaps = np.diff(kept)
        assert not len(gaps) or gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("n_layers", [1, 2, 3, 4])
def test_layers_are_cut(tiny_encoder, pool, n_layers):
    """Prevents a configuration that still says four layers, other layers than named, and a teacher that was cut."""
    before = tiny_encoder.encode(pool[:5])
    student = build_student(tiny_encoder, f"layers:{n_layers}")
    transformer, teacher = student.model[0].auto_model, tiny_encoder.model[0].auto_model
    assert len(transformer.encoder.layer) == transformer.config.num_hidden_layers == n_layers
    for layer, index in zip(transformer.encoder.layer, evenly_spaced(4, n_layers), strict=True):
        ours, theirs = layer.state_dict(), teacher.encoder.layer[index].state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    vectors = student.encode(pool[:5])
    assert vectors.shape == (5, tiny_encoder.dimension)
    assert np.isfinite(vectors).all()
    assert (n_layers == 4) == np.allclose(vectors, before, atol=1e-6)
    assert len(teacher.encoder.layer) == teacher.config.num_hidden_layers == 4
    np.testing.assert_array_equal(tiny_encoder.encode(pool[:5]), before)
    assert student.name == f"layers:{n_layers}"
    assert student.precision == tiny_encoder.precision


def test_a_cut_student_is_saved_whole(tiny_encoder, pool, tmp_path):
    """Prevents a folder whose configuration asks for layers that are gone: they would be filled at random."""
    student = build_student(tiny_encoder, "layers:2")
    student.save(tmp_path / "student")
    loaded = SentenceEncoder.load(tmp_path / "student", device="cpu", precision="float32")
    np.testing.assert_array_equal(loaded.encode(pool), student.encode(pool))


def test_each_kind_of_student(tiny_encoder, tiny_static, tiny_folder, pool):
    """Prevents a name from being read as another kind."""
    assert isinstance(build_student(tiny_encoder, "static"), StaticEncoder)
    assert isinstance(build_student(tiny_encoder, "static", texts=pool), StaticEncoder)
    assert isinstance(build_student(CachedEncoder(tiny_encoder), "static"), StaticEncoder)
    assert build_student(CachedEncoder(tiny_encoder), "layers:1").name == "layers:1"
    assert build_student(tiny_encoder, tiny_static) is tiny_static
    assert build_student(tiny_encoder, str(tiny_folder)).name == str(tiny_folder)
    assert build_student(tiny_static, str(tiny_folder)).name == str(tiny_folder)


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ("layers:0", "the teacher has 4 layers; keep 1 to 4"),
        ("layers:5", "the teacher has 4 layers; keep 1 to 4"),
        ("layers:99", "the teacher has 4 layers; keep 1 to 4"),
        ("layers:", "with a number N"),
        ("layers:two", "with a number N"),
        ("layers:-1", "with a number N"),
        ("layers:²", "with a number N"),
        ("layers", "with a number N"),
        ("layers:2+layers:2", "with a number N"),
        ("layers:2+depth:3", "with a number N"),
        ("width:x", "with a number N"),
        ("width:8", "the teacher is 32 wide in 2 heads of 16; keep a multiple of 16, up to 32"),
        ("width:64", "keep a multiple of 16, up to 32"),
        ("layers:9+width:16", "the teacher has 4 layers; keep 1 to 4"),
        ("static:3", "student must be 'static', 'static:bigrams'"),
        ("", "student must be"),
        ("  ", "student must be"),
        (None, "student must be"),
        (3, "student must be"),
    ],
)
def test_misspelt_students(tiny_encoder, student, message):
    """Prevents an hour of teaching before a misspelt student is found, or a search for it on the Hub."""
    for check in (check_student, build_student):
        with pytest.raises(InputError, match=message):
            check(tiny_encoder, student)


@pytest.mark.parametrize("student", ["static", "layers:2"])
def test_a_table_has_no_layers(tiny_static, toy_encoder, student):
    """Prevents an AttributeError where the teacher's encoder is a token table."""
    for teacher in (tiny_static, CachedEncoder(tiny_static), toy_encoder):
        with pytest.raises(InputError, match="is cut from a transformer, and the teacher's encoder is"):
            build_student(teacher, student)


def test_a_name_that_is_nowhere(tiny_encoder):
    """Prevents another model in silence where there is no network."""
    with pytest.raises(SourceNotFoundError):
        build_student(tiny_encoder, "no-such/model")


def test_what_cannot_be_trained(toy_encoder):
    """Prevents an AttributeError where an encoder of the user's own has nothing to train."""
    with pytest.raises(InputError, match="student 'toy' cannot be trained"):
        trainable_model(toy_encoder, "cpu")


def test_training_works_on_a_copy(tiny_encoder, tiny_static):
    """Prevents a student object that the caller holds from changing under training."""
    for student in (tiny_encoder, tiny_static):
        before = student.encode(["card late"])
        model = trainable_model(student, "cpu")
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        np.testing.assert_array_equal(student.encode(["card late"]), before)
        trained = trained_encoder(student, model)
        assert type(trained) is type(student)
        assert trained.name == student.name
        assert np.abs(trained.encode(["card late"]) - before).max() > 1e-3


def test_a_model_without_a_list_of_layers(tiny_model):
    """Prevents the wrong list of modules from being cut."""
    odd = copy.deepcopy(tiny_model)
    odd[0].auto_model.config.num_hidden_layers = 7
    with pytest.raises(InputError, match="has no list of 7 layers to cut from"):
        keep_layers(odd, 2)


@pytest.mark.parametrize("student", ["width:16", "layers:2+width:16"])
def test_width_is_cut(tiny_encoder, pool, student, tmp_path):
    """Prevents weights of the wrong places, a pooling of the old width, and a teacher that was narrowed."""
    before, state = tiny_encoder.encode(pool[:3]), torch.get_rng_state()
    made = build_student(tiny_encoder, student)
    assert torch.equal(torch.get_rng_state(), state)
    transformer = made.model[0].auto_model
    assert (made.dimension, transformer.config.hidden_size, transformer.config.num_attention_heads) == (16, 16, 1)
    assert transformer.config.intermediate_size == 32
    assert len(transformer.encoder.layer) == (4 if student == "width:16" else 2)
    teacher = tiny_encoder.model[0].auto_model
    ours, theirs = transformer.embeddings.word_embeddings.weight, teacher.embeddings.word_embeddings.weight
    assert torch.equal(ours, theirs[:, :16])  # the first of two heads
    vectors = made.encode(pool[:3])
    assert np.isfinite(vectors).all()
    np.testing.assert_array_equal(tiny_encoder.encode(pool[:3]), before)
    made.save(tmp_path / "student")
    loaded = SentenceEncoder.load(tmp_path / "student", device="cpu", precision="float32")
    np.testing.assert_array_equal(loaded.encode(pool[:3]), vectors)


def test_the_whole_width_changes_nothing(tiny_encoder, pool):
    """Prevents weights that are permuted, transposed or left random on their way."""
    made = build_student(tiny_encoder, "width:32")
    np.testing.assert_allclose(made.encode(pool[:3]), tiny_encoder.encode(pool[:3]), atol=1e-6)


def test_a_student_from_a_configuration(tiny_encoder, tiny_static, pool):
    """Prevents weights that the seed does not decide, and tokens that the new model has no vector for."""
    from transformers import BertConfig

    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(tiny_encoder.model.tokenizer), max_position_embeddings=24, **size)
    first, again, other = (build_student(tiny_encoder, config, random_state=seed) for seed in (0, 0, 1))
    assert first.dimension == 16
    assert first.model.max_seq_length == 24
    np.testing.assert_array_equal(first.encode(pool[:3]), again.encode(pool[:3]))
    assert np.abs(first.encode(pool[:3]) - other.encode(pool[:3])).max() > 1e-3
    with pytest.raises(InputError, match="the configuration has 9 tokens"):
        build_student(tiny_encoder, BertConfig(vocab_size=9, **size))
    with pytest.raises(InputError, match="takes the teacher's tokenizer"):
        check_student(tiny_static, config)
