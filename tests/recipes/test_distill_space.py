"""What may be searched of a distillation, and where that starts from."""

import inspect

import pytest

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.core.errors import InputError
from fewshot.distillation.logits import LogitDistillationTrainer
from fewshot.distillation.pairwise import DistillationTrainer
from fewshot.distillation.relational_losses import SoftmaxSimilarityLoss
from fewshot.distillation.similarity_losses import check_similarity_losses
from fewshot.distillation.transfer_set import make_transfer_set
from fewshot.recipes.distill_space import EMBEDDINGS, LOGITS, check_students, own_settings


@pytest.fixture(scope="module")
def teacher(tiny_encoder, single):
    """A linear probe on the tiny transformer."""
    return LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)


@pytest.mark.parametrize(
    ("trainer", "settings"),
    [
        (DistillationTrainer, {"student": "static"}),
        (DistillationTrainer, {"student": "layers:1", "batch_size": 16, "accumulation": 2}),
        (DistillationTrainer, {"student": "folder"}),
        (DistillationTrainer, {"student": "encoder", "steps": 3}),
        (LogitDistillationTrainer, {"student": "folder", "batch_size": 16}),
    ],
)
@pytest.mark.slow
def test_steps_are_those_that_the_trainer_takes(trainer, settings, teacher, tiny_folder, tiny_static, pool):
    """Prevents a table that calls other settings the default than those of the first trial."""
    student = {"folder": str(tiny_folder), "encoder": tiny_static}.get(settings["student"], settings["student"])
    made = trainer(teacher, **settings | {"student": student})
    known = own_settings(made, len(make_transfer_set(teacher.label_space_, pool).train))
    assert known["steps"] == made.fit(pool).report_["steps"]
    assert known["student"] == student


@pytest.mark.parametrize(("trainer", "space"), [(DistillationTrainer, EMBEDDINGS), (LogitDistillationTrainer, LOGITS)])
def test_every_searched_setting_is_the_trainers_and_starts_from_its_default(trainer, space):
    """Prevents a space that does not know a setting, or has another default for what the trainer leaves open."""
    known = own_settings(trainer("teacher", "layers:2"), 1000)
    by_name = {dimension.name: dimension for dimension in space.starting_from(known).dimensions}
    assert set(by_name) == {dimension.name for dimension in space.dimensions} <= set(known)
    for name, dimension in by_name.items():
        if known[name] is not None:
            assert dimension.default == known[name]
            assert dimension.choices or dimension.low < dimension.default < dimension.high
    assert isinstance(by_name["steps"].low, int)
    if space is EMBEDDINGS:
        default = inspect.signature(SoftmaxSimilarityLoss.__init__).parameters["temperature"].default
        assert by_name["temperature"].default == default


def test_every_loss_is_one_that_the_trainer_knows():
    """Prevents a third of all trials from failing on a misspelt name."""
    by_name = {dimension.name: dimension for dimension in EMBEDDINGS.dimensions}
    for name in by_name["loss"].choices:
        temperature = 0.1 if by_name["temperature"].matters({"loss": name}) else None
        assert check_similarity_losses(by_name["loss"].argument(name), temperature=temperature)


def test_a_loss_of_ones_own_is_kept():
    """Prevents a search from throwing away a mixture that the user gave, or its temperature."""
    made = DistillationTrainer("teacher", "layers:2", loss={"match": 1.0, "cosine": 0.5})
    names = [dimension.name for dimension in EMBEDDINGS.starting_from(own_settings(made, 1000)).dimensions]
    assert names == ["learning_rate", "steps", "mining", "confidence"]


def test_tables_and_transformers_are_not_searched_at_once():
    """Prevents a transformer at the learning rate of a table, which destroys it."""
    check_students(EMBEDDINGS.varying(student=("static", "static:words")))
    with pytest.raises(InputError, match="'static', 'layers:2': search twice"):
        check_students(EMBEDDINGS.varying(student=("static", "layers:2")))
