"""Copies that language models write: of their own text, seeded, and the same in any batch."""

import json
import re
import sys
import warnings

import numpy as np
import pytest
import torch
from transformers import (
    AutoTokenizer,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MarianTokenizer,
    NllbTokenizer,
    T5Config,
    T5ForConditionalGeneration,
)

from fewshot.classifiers.augmented import augmented_examples, find_augmentations
from fewshot.core.errors import DataWarning, InputError, MissingExtraError, ModelFormatError
from fewshot.data.augmentation import Augmentation
from fewshot.training import augmentation as augmentation_module
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


@pytest.fixture(scope="module")
def polyglot(tmp_path_factory):
    """Folder of a tiny model of random weights that reads and writes three languages."""
    words = sorted({word for text in TEXTS for word in text.split()})
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *map("\u2581{}".format, words)]
    letters = sorted({letter for word in names[5:] for letter in word} - {*names})
    merges: list[tuple[str, str]] = []
    pieces = {*names, *letters}
    for word in names[5:]:
        for end in range(2, len(word) + 1):
            if word[:end] not in pieces or end == len(word):
                pieces.add(word[:end])
                merges.append((word[: end - 1], word[end - 1]))
    vocabulary = {piece: number for number, piece in enumerate([*names, *sorted(pieces - {*names})])}
    tokenizer = NllbTokenizer(
        vocab=vocabulary, merges=merges, extra_special_tokens=["eng_Latn", "deu_Latn", "fra_Latn"]
    )
    config = M2M100Config(
        vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=64,
        pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2,
    )  # fmt: skip
    with seeded(3):
        model = M2M100ForConditionalGeneration(config)
        for weight in model.parameters():
            if weight.ndim == 2:
                torch.nn.init.normal_(weight, std=0.3)
    folder = tmp_path_factory.mktemp("translators") / "polyglot"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_models_of_many_languages_are_told_them(polyglot, monkeypatch):
    """Prevents copies that were never abroad: untold, such a model reads English and writes what it likes."""
    asked = []
    generate = M2M100ForConditionalGeneration.generate

    def recorded(self, input_ids, **options):
        asked.append((input_ids[0, 0].item(), options["forced_bos_token_id"]))
        written = generate(self, input_ids=input_ids, **options)
        assert set(written[:, 1].tolist()) == {asked[-1][1]}
        return written

    monkeypatch.setattr(M2M100ForConditionalGeneration, "generate", recorded)
    spelled = f"back-translation:{polyglot},{polyglot},eng_Latn,deu_Latn"
    (augmentation,) = find_augmentations(spelled, device="cpu")
    assert augmentation.languages == ("eng_Latn", "deu_Latn")
    augmentation.augmented(TEXTS, Y, random_state=0)
    english, german = NllbTokenizer.from_pretrained(polyglot).convert_tokens_to_ids(["eng_Latn", "deu_Latn"])
    assert asked == [(english, german), (german, english)]


@pytest.mark.parametrize(
    ("languages", "said"),
    [
        (None, "has to be told which"),
        (("eng_Latn", "deu_Latin"), "knows no language 'deu_Latin'. Did you mean 'deu_Latn'"),
    ],
)
def test_languages_that_are_missing_or_unknown_are_told(polyglot, languages, said):
    """Prevents a wrong language in silence: an unknown one is the unknown token to the tokenizer."""
    augmentation = BackTranslation(polyglot, polyglot, languages=languages, device="cpu")
    with pytest.raises(InputError, match=re.escape(said)):
        augmentation.augmented(TEXTS, Y, random_state=0)


@pytest.mark.parametrize(
    "options", [{"languages": ("en",)}, {"languages": ("en", "")}, {"languages": "en"}, {"prefixes": ("a",)}]
)
def test_languages_and_prefixes_come_in_pairs(options):
    """Prevents an error in the middle of a training, after the way there."""
    with pytest.raises(InputError, match="must be two"):
        BackTranslation("a", "b", **options)


def test_prefixes_stand_before_each_text(translators, monkeypatch):
    """Prevents T5 from being asked for nothing: without its prefix it does not translate."""
    read = []
    tokenizer = AutoTokenizer.from_pretrained(translators[0])
    generate = T5ForConditionalGeneration.generate

    def recorded(self, input_ids, **options):
        read.append(tokenizer.batch_decode(input_ids, skip_special_tokens=True))
        return generate(self, input_ids=input_ids, **options)

    monkeypatch.setattr(T5ForConditionalGeneration, "generate", recorded)
    BackTranslation(*translators, prefixes=("invoice ", "parcel "), device="cpu").augmented(TEXTS, Y, random_state=0)
    assert all(text.startswith("invoice") for text in read[0])
    assert all(text.startswith("parcel") for text in read[1])


def test_a_missing_package_of_a_tokenizer_is_named(translators, monkeypatch):
    """Prevents "is not a model" about a Marian model whose tokenizer's package is not installed."""

    def lacks(source):
        raise ModelFormatError(f"{source} cannot be opened: MarianTokenizer requires the SentencePiece library")

    monkeypatch.setattr(augmentation_module, "open_tokenizer", lacks)
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'fewshot[translation]'")):
        BackTranslation(*translators, device="cpu").augmented(TEXTS, Y, random_state=0)


@pytest.fixture(scope="module")
def marian(tmp_path_factory):
    """Folder of a tiny Marian model of random weights, with a tokenizer as those of Opus-MT have."""
    sentencepiece = pytest.importorskip("sentencepiece")
    folder = tmp_path_factory.mktemp("translators") / "marian"
    folder.mkdir()
    given = iter([text for text in TEXTS if text])
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=given, model_prefix=str(folder / "source"), vocab_size=40, hard_vocab_limit=False
    )
    (folder / "source.model").rename(folder / "source.spm")
    (folder / "target.spm").write_bytes((folder / "source.spm").read_bytes())
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    known = [pieces.id_to_piece(number) for number in range(pieces.get_piece_size())]
    vocabulary = ["</s>", "<unk>", *(piece for piece in known if piece not in ("<s>", "</s>", "<unk>")), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({piece: number for number, piece in enumerate(vocabulary)}))
    files = (folder / name for name in ("source.spm", "target.spm", "vocab.json"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it recommends sacremoses
        MarianTokenizer(*map(str, files)).save_pretrained(folder)
    pad = len(vocabulary) - 1
    config = MarianConfig(
        vocab_size=len(vocabulary), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=64,
        pad_token_id=pad, eos_token_id=0, decoder_start_token_id=pad, forced_eos_token_id=0,
    )  # fmt: skip
    with seeded(4):
        model = MarianMTModel(config)
        for weight in model.parameters():
            if weight.ndim == 2:
                torch.nn.init.normal_(weight, std=0.3)
    model.save_pretrained(folder)
    return folder


def test_marian_models_translate(marian):
    """Prevents the very models that the documentation names from being refused."""
    copies, rows = assert_seeded(BackTranslation(marian, marian, n_copies=2, device="cpu"), TEXTS, Y)
    assert copies
    assert {*rows} <= {0, 2, 3, 4, 5}
