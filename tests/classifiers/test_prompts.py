"""Prompts as tokens: the whole sentence, however long the text, with WordPiece and with bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from fewshot.classifiers.prompts import TEMPLATE, PromptWriter, check_prompt_templates, fill, spell
from fewshot.core.errors import InputError
from tests.classifiers.masked_cases import byte_tokenizer
from tests.distillation.logit_cases import make_tokenizer

TEMPLATES = ("{text} This is {mask} .", "{mask} : {text}")
VARIANTS = ((0, 1), (0, 3), (1, 2))


@pytest.fixture(scope="module")
def tokenizers(tiny_tokenizer):
    """One tokenizer of each kind."""
    return {"words": make_tokenizer(tiny_tokenizer), "bytes": byte_tokenizer()}


@pytest.mark.parametrize("kind", ["words", "bytes"])
def test_a_short_text_is_the_sentence_tokenized(tokenizers, kind):
    """Prevents pieces that are tokenized apart, where a byte-level tokenizer knows a word by the space before it."""
    tokenizer = tokenizers[kind]
    prompts = PromptWriter(tokenizer, TEMPLATES, VARIANTS, 64).write("my late parcel")
    mask = tokenizer.mask_token
    sentences = [
        f"my late parcel This is {mask} .",
        f"my late parcel This is {mask * 3} .",
        f"{mask * 2} : my late parcel",
    ]
    for prompt, sentence in zip(prompts, sentences, strict=True):
        ids = tokenizer(sentence)["input_ids"]
        assert list(prompt.ids) == ids
        assert list(prompt.masks) == [column for column, token in enumerate(ids) if token == tokenizer.mask_token_id]
        text = tokenizer.decode([prompt.ids[column] for column in prompt.text])
        assert "".join(text.split()) == "mylateparcel"


@pytest.mark.parametrize("kind", ["words", "bytes"])
@given(text=st.text(max_size=60), repeats=st.integers(1, 30))
def test_prompts_always_fit(tokenizers, kind, text, repeats):
    """Prevents a long text from pushing masks, template or special tokens out of what the model reads."""
    tokenizer = tokenizers[kind]
    writer = PromptWriter(tokenizer, TEMPLATES, VARIANTS, 32)
    for (_, n_masks), prompt, empty in zip(VARIANTS, writer.write(text * repeats), writer.write(""), strict=True):
        assert len(prompt.ids) <= 32
        assert len(prompt.masks) == n_masks
        assert not set(prompt.masks) & set(prompt.text)
        template = [token for column, token in enumerate(prompt.ids) if column not in prompt.text]
        if kind == "words" or not text:
            assert template == list(empty.ids)


def test_the_end_of_a_text_is_cut(tokenizers):
    """Prevents the beginning, where most is said, from being cut; and room that is left empty."""
    tokenizer = tokenizers["words"]
    writer = PromptWriter(tokenizer, ("{text} {mask}",), ((0, 1),), 8)
    [prompt] = writer.write("refund the late parcel today again hello")
    words = ["refund", "the", "late", "parcel", "today"]
    assert tokenizer.convert_ids_to_tokens(prompt.ids) == ["[CLS]", *words, "[MASK]", "[SEP]"]


def test_a_mask_in_a_text_is_no_mask(tokenizers):
    """Prevents a text that holds the mask's own name from being asked about."""
    for tokenizer in tokenizers.values():
        [prompt] = PromptWriter(tokenizer, ("{text} is {mask}",), ((0, 1),), 32).write(f"a {tokenizer.mask_token} b")
        columns = [column for column, token in enumerate(prompt.ids) if token == tokenizer.mask_token_id]
        assert len(columns) == 2
        assert list(prompt.masks) == columns[1:]


def test_braces_in_a_text_are_text():
    """Prevents a text from being read as a template."""
    assert fill("{text} is {mask}", "{mask} {text}", "x") == ("{mask} {text} is x", (0, 13), (17, 18))


def test_words_are_spelt_with_the_space_before_them(tokenizers):
    """Prevents a byte-level tokenizer's word from being looked for without its space, where nobody would fill it in."""
    tokenizer = tokenizers["bytes"]

    def tokens(template, words):
        return tokenizer.convert_ids_to_tokens(spell(tokenizer, template, words))

    assert tokens("{text} This is {mask}.", "refund") == ["Ġrefund"]
    assert tokens("{mask}: {text}", "refund") == ["refund"]
    assert tokens("{text} ({mask})", "late parcel") == ["late", "Ġparcel"]
    words = tokenizers["words"]
    assert words.convert_ids_to_tokens(spell(words, "{text} it is {mask}.", "Late codes")) == ["late", "code", "##s"]


def test_a_template_that_grows_with_the_text_still_fits():
    """Prevents a prompt too long for the model where text and template are one word, which is then other tokens."""
    pieces = ["[PAD]", "[UNK]", "[MASK]", *"abcdef", "ab", "bc", "bcd", "bcde", "bcdef"]
    merges = [("a", "b"), ("b", "c"), ("bc", "d"), ("bcd", "e"), ("bcde", "f")]
    backend = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **special)
    writer = PromptWriter(tokenizer, ("{text}bcdef {mask}",), ((0, 1),), 4)
    assert tokenizer.convert_ids_to_tokens(writer.write("d")[0].ids) == ["d", "bcdef", "[MASK]"]
    assert len(tokenizer("abcdef [MASK]")["input_ids"]) == 6
    assert writer.write("a") == writer.write("")


def test_features_pad_and_point(tokenizers):
    """Prevents masks from being looked for in another row, and padding from being read."""
    tokenizer = tokenizers["words"]
    writer = PromptWriter(tokenizer, TEMPLATES, VARIANTS, 64)
    texts = ["refund", "the late parcel again"]
    features = writer.features([writer.write(text) for text in texts])
    assert features["rows"].tolist() == [0, 1, 1, 1, 2, 2, 3, 4, 4, 4, 5, 5]
    asked = features["input_ids"][features["rows"], features["columns"]]
    assert set(asked.tolist()) == {tokenizer.mask_token_id}
    assert (features["input_ids"] == tokenizer.pad_token_id).equal(features["attention_mask"] == 0)
    assert features["text"].sum(dim=1).tolist() == [1, 1, 1, 4, 4, 4]
    for row, prompt in enumerate(prompt for text in texts for prompt in writer.write(text)):
        assert features["input_ids"][row, : len(prompt.ids)].tolist() == list(prompt.ids)


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ("{text} is about", "one {text} and one {mask}"),
        ("about {mask}", "one {text} and one {mask}"),
        ("{text} {mask} {mask}", "one {text} and one {mask}"),
        (["{text} {mask}", 3], "got 3"),
        ([], "templates must be a text"),
        (None, "templates must be a text"),
    ],
)
def test_bad_templates(templates, message):
    """Prevents a question without a place for the answer."""
    with pytest.raises(InputError) as raised:
        check_prompt_templates(templates)
    assert message in str(raised.value)


def test_templates_that_cannot_be_used(tokenizers):
    """Prevents a template that leaves no token of any text, and one with a mask that nobody asks about."""
    tokenizer = tokenizers["words"]
    with pytest.raises(InputError, match="leaves no room for a text"):
        PromptWriter(tokenizer, (TEMPLATE,), ((0, 9),), 24)
    with pytest.raises(InputError, match="a mask token of its own"):
        PromptWriter(tokenizer, ("{text} [MASK] {mask}",), ((0, 1),), 64)
    assert check_prompt_templates([TEMPLATE, TEMPLATE]) == (TEMPLATE,)
