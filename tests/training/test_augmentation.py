"""Copies that language models write: of their own text, seeded, and the same in any batch."""

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

from fewshot.classifiers.augmented import augmented_examples
from fewshot.core.errors import DataWarning, InputError, ModelFormatError
from fewshot.data.augmentation import Augmentation
from fewshot.training.augmentation import BackTranslation, ContextualAugmentation
from fewshot.training.seeding import seeded
from tests.distillation.logit_cases import make_tokenizer

TEXTS = ["please refund the card again", "", "my parcel is late", "invoice 12", "why the password", "refund"]
Y = np.array([0, 0, 1, 0, 2, 0])


@pytest.fixture(scope="module")
def contextual(masked_folder):
    """Contextual augmentation by the tiny model."""
    return ContextualAugmentation(masked_folder, n_copies=3, device="cpu")


@pytest.fixture(scope="module")
def translators(tmp_path_factory, tiny_tokenizer):
    """Folders of two tiny models of random weights that make texts of texts."""
    tokenizer = make_tokenizer(tiny_tokenizer)
    folders = []
    for seed in (1, 2):
        config = T5Config(
            vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2,
            decoder_start_token_id=tokenizer.cls_token_id, pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.sep_token_id,
        )  # fmt: skip
        with seeded(seed):
            model = T5ForConditionalGeneration(config)
            for weight in model.parameters():
                if weight.ndim == 2:  # as they are at first, all texts give one and the same
                    torch.nn.init.normal_(weight, std=0.3)
        folder = tmp_path_factory.mktemp("translators") / f"model-{seed}"
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        folders.append(folder)
    return folders


def assert_seeded(augmentation, texts, y):
    """Check that the seed decides, and that the global random states stay as they were."""
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 - the global state is what is tested
    before, numpy_before = torch.get_rng_state().clone(), np.random.get_state()[1].copy()  # noqa: NPY002
    copies, rows = augmentation.augmented(texts, y, random_state=3)
    again, same = augmentation.augmented(list(texts), y, random_state=3)
    assert copies == again
    np.testing.assert_array_equal(rows, same)
    assert augmentation.augmented(texts, y, random_state=4)[0] != copies
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_before, np.random.get_state()[1])  # noqa: NPY002
    return copies, rows


def test_replaced_words_stand_in_their_text(contextual):
    """Prevents copies of another text than they say, that changed more than their share, or changed nothing."""
    assert isinstance(contextual, Augmentation)
    copies, rows = assert_seeded(contextual, TEXTS, Y)
    assert {0, 2, 3, 4, 5} == set(rows)
    for copy, row in zip(copies, rows, strict=True):
        own, new = TEXTS[row].split(), copy.split()
        assert len(own) == len(new)
        assert sum(a.casefold() != b.casefold() for a, b in zip(own, new, strict=True)) == 1
        assert row != 3 or new[1] == "12"
    assert len(set(copies)) == len(copies)


def test_the_share_of_words_is_replaced(masked_folder):
    """Prevents a share that is not looked at."""
    text = "please refund the card again today my parcel late courier"
    for share, changed in ((0.15, 2), (0.5, 5), (1.0, 10)):
        augmentation = ContextualAugmentation(masked_folder, n_copies=4, share=share, device="cpu")
        copies, _ = augmentation.augmented([text], Y[:1], random_state=0)
        counts = {sum(a != b for a, b in zip(text.split(), copy.split(), strict=True)) for copy in copies}
        assert counts == {changed}


def test_batches_change_nothing(masked_folder):
    """Prevents copies that depend on the texts beside them, or stand in the order of their length."""
    one, many = (
        ContextualAugmentation(masked_folder, batch_size=size, device="cpu").augmented(TEXTS, Y, random_state=0)
        for size in (1, 32)
    )
    assert one[0] == many[0]
    assert one[1].tolist() == many[1].tolist()


@pytest.mark.parametrize("kind", ["contextual", "back-translation"])
def test_names_reach_the_models(kind, masked_folder, translators):
    """Prevents a name on the command line that makes no copies."""
    name = (
        f"contextual:{masked_folder}" if kind == "contextual" else f"back-translation:{translators[0]},{translators[1]}"
    )
    texts, y, rows = augmented_examples(TEXTS, Y, name, 0, device="cpu")
    assert len(texts) > len(TEXTS)
    np.testing.assert_array_equal(y, Y[rows[:, 0]])


def test_translations_are_of_their_text(translators):
    """Prevents translations that stand with another text: done by hand, text by text, with beam search."""
    forth, back = translators
    augmentation = BackTranslation(forth, back, n_copies=2, temperature=None, num_beams=3, batch_size=4, device="cpu")
    copies, rows = augmentation.augmented(TEXTS, Y, random_state=0)
    by_hand, tokenizer = [], AutoTokenizer.from_pretrained(forth)
    models = [T5ForConditionalGeneration.from_pretrained(folder).eval() for folder in translators]
    for row, text in enumerate(TEXTS):
        if not text:
            continue
        ids = tokenizer([text], return_tensors="pt")["input_ids"]
        there = models[0].generate(ids, num_beams=3, num_return_sequences=2, max_new_tokens=64, do_sample=False)
        for translation in tokenizer.batch_decode(there, skip_special_tokens=True):
            ids = tokenizer([translation], truncation=True, max_length=64, return_tensors="pt")["input_ids"]
            home = models[1].generate(ids, num_beams=3, max_new_tokens=64, do_sample=False)
            by_hand.append((tokenizer.decode(home[0], skip_special_tokens=True), row))
    expected = {}
    for text, row in by_hand:
        expected.setdefault(" ".join(text.casefold().split()), (text, row))
    assert list(zip(copies, rows.tolist(), strict=True)) == [
        pair for key, pair in expected.items() if key and key not in TEXTS
    ]
    assert len(copies) > 2


def test_drawn_translations_are_seeded(translators):
    """Prevents translations that nobody can repeat, and draws from the global random state."""
    _, rows = assert_seeded(BackTranslation(*translators, n_copies=2, device="cpu"), TEXTS, Y)
    assert 1 not in rows
    assert np.bincount(rows).max() <= 2


def test_a_long_text_is_said_to_be_cut(translators):
    """Prevents copies of a text's beginning from passing for copies of it, without a word."""
    augmentation = BackTranslation(*translators, temperature=None, device="cpu")
    with pytest.warns(DataWarning, match="1 of 2 texts are longer than the 64 tokens"):
        augmentation.augmented(["refund " * 100, "refund"], Y[:2], random_state=0)
    assert augmentation.augmented(["", " "], Y[:2], random_state=0)[0] == []


def test_models_that_do_not_translate_are_refused(masked_folder, translators):
    """Prevents an encoder alone from being asked for translations."""
    with pytest.raises(ModelFormatError, match="cannot be opened"):
        BackTranslation(masked_folder, translators[1], device="cpu").augmented(TEXTS, Y, random_state=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ContextualAugmentation(" "), "needs the name or folder"),
        (lambda: ContextualAugmentation("m", n_copies=0), "n_copies must be"),
        (lambda: ContextualAugmentation("m", share=0), "share must be above 0"),
        (lambda: ContextualAugmentation("m", share=1.1), "share must be"),
        (lambda: ContextualAugmentation("m", top_k=0), "top_k and batch_size must"),
        (lambda: ContextualAugmentation("m", batch_size=0), "top_k and batch_size must"),
        (lambda: ContextualAugmentation("m", temperature=0), "temperature must be above 0"),
        (lambda: ContextualAugmentation("m", temperature=float("inf")), "temperature must"),
        (lambda: ContextualAugmentation("m").augmented([], Y[:0], random_state=-1), "random_state must"),
        (lambda: BackTranslation("m", ""), "needs the name or folder"),
        (lambda: BackTranslation("m", None), "needs the name or folder"),
        (lambda: BackTranslation("m", "n", n_copies=-1), "n_copies must be"),
        (lambda: BackTranslation("m", "n", temperature=-1.0), "temperature must"),
        (lambda: BackTranslation("m", "n", num_beams=0), "num_beams and batch_size must"),
        (lambda: BackTranslation("m", "n", n_copies=5, temperature=None), "num_beams must be at least n_copies, 5"),
    ],
)
def test_bad_settings(make, message):
    """Prevents an error from torch, long after the mistake."""
    with pytest.raises(InputError, match=message):
        make()
