"""Long texts are cut where the tokenizer says, without a gap and without running out of memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from fewshot.core.errors import InputError
from fewshot.encoders.windows import WindowCutter, average_windows

LAYOUTS = {
    "bert": ("[CLS] $A [SEP]", 2),
    "t5": ("$A [SEP]", 1),
    "gpt": ("$A", 0),
    "double": ("[CLS] [CLS] $A [SEP]", 3),
}


@pytest.fixture(params=LAYOUTS)
def layout(request, tiny_tokenizer):
    """The tiny tokenizer with special tokens set in another way, and how many these are."""
    template, n_special = LAYOUTS[request.param]
    tokenizer = Tokenizer.from_str(tiny_tokenizer.to_str())
    special = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]") if name in template]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=special)
    return tokenizer, n_special


def plain_ids(tokenizer, text):
    """Return the token numbers of the whole text, without special tokens."""
    return tokenizer.encode(text, add_special_tokens=False).ids


TEXT = "the refund of my card, çà & là 你好 is late; again, unknownword " * 3


def test_windows_follow_each_other_without_a_gap(layout):
    """Prevents lost or doubled tokens at the borders, and special tokens that stand in the first window only."""
    tokenizer, n_special = layout
    [windows] = WindowCutter(tokenizer, 16, 100).cut([TEXT])
    whole = plain_ids(tokenizer, TEXT)
    size = 16 - n_special
    slices = [whole[start : start + size] for start in range(0, len(whole), size)]
    assert [window.n_text_tokens for window in windows] == list(map(len, slices))
    ends = len(tokenizer.encode("", add_special_tokens=True).ids)
    assert ends == n_special
    before = tokenizer.encode("card").ids.index(plain_ids(tokenizer, "card")[0])
    for window, expected in zip(windows, slices, strict=True):
        assert len(window) == len(window.type_ids) == len(expected) + n_special <= 16
        assert window.ids[before : before + len(expected)].tolist() == expected
        assert TEXT[window.start : window.stop].strip() == TEXT[window.start : window.stop]
    assert windows[0].ids.tolist()[:before] == windows[-1].ids.tolist()[:before]


def test_at_most_so_many_windows_from_the_start(tiny_tokenizer):
    """Prevents a text of a million words from taking a million words' time, and a bound that changes the windows."""
    all_windows = WindowCutter(tiny_tokenizer, 8, 100).cut([TEXT])[0]
    few = WindowCutter(tiny_tokenizer, 8, 3).cut([TEXT])[0]
    assert len(all_windows) > len(few) == 3
    assert [window.ids.tolist() for window in few] == [window.ids.tolist() for window in all_windows[:3]]


def test_texts_that_fit_have_one_window(tiny_tokenizer):
    """Prevents an empty second window at a text that just fits, and a crash at the empty text."""
    fits = " ".join(["card"] * 6)
    cut = WindowCutter(tiny_tokenizer, 8).cut(["", "card", fits, fits + " card"])
    assert [[window.n_text_tokens for window in windows] for windows in cut] == [[0], [1], [6], [6, 1]]
    assert (cut[0][0].start, cut[0][0].stop) == (0, 0)


@given(st.lists(st.text(max_size=60), max_size=4))
def test_any_text(tiny_tokenizer, texts):
    """Prevents a crash on signs that the normaliser removes or takes apart."""
    for text, windows in zip(texts, WindowCutter(tiny_tokenizer, 6, 1000).cut(texts), strict=True):
        expected = plain_ids(tiny_tokenizer, text)
        assert [i for window in windows for i in window.ids[1:-1].tolist()] == expected
        assert all(0 <= window.start <= window.stop <= len(text) for window in windows)


@pytest.mark.parametrize("word", ["card ", "x", "çà ", "你", "card" + " " * 200, "z" * 300 + " "])
def test_the_head_holds_all_that_is_read(tiny_tokenizer, word):
    """Prevents another reading of a text because its far end was cut off first: also of spaces and of endless words."""
    text = word * (40_000 // len(word))
    cutter = WindowCutter(tiny_tokenizer, 16, 4)
    [head] = cutter.heads([text])
    ids = plain_ids(tiny_tokenizer, text)
    assert text.startswith(head)
    assert plain_ids(tiny_tokenizer, head)[: 14 * 4] == ids[: 14 * 4]
    if word == "card ":
        assert len(head) < len(text)


def test_two_megabytes_are_not_read(tiny_tokenizer, monkeypatch):
    """Prevents gigabytes of tokens for a log file that somebody pasted."""
    cutter = WindowCutter(tiny_tokenizer, 64, 8)
    read = []
    count = cutter._count
    monkeypatch.setattr(cutter, "_count", lambda text: read.append(len(text)) or count(text))
    text = "refund my card " * 140_000
    [windows] = cutter.cut([text])
    assert len(windows) == 8
    assert sum(read) < 20_000
    assert cutter.heads(["short"]) == ["short"]


def test_a_crop_is_one_of_the_windows(tiny_tokenizer):
    """Prevents training on a text's start alone, crops of short texts, and crops that change from run to run."""
    cutter = WindowCutter(tiny_tokenizer, 10, 4)
    long = "Déjà refund, my card! parcel courier 你好 late box; address password account locked reset code?"
    [windows] = cutter.cut([long])
    stretches = [long[window.start : window.stop] for window in windows]
    assert len(windows) > 2
    drawn = [cutter.crop([long, "short", ""], np.random.default_rng(seed)) for seed in range(60)]
    assert {crop for crop, *_ in drawn} == set(stretches)
    assert all(rest == ["short", ""] for _, *rest in drawn)
    assert drawn[7] == cutter.crop([long, "short", ""], np.random.default_rng(7))
    rng = np.random.default_rng(0)
    assert cutter.crop(["short"] * 3, rng) == ["short"] * 3
    assert rng.random() == np.random.default_rng(0).random()


def test_crops_are_drawn_by_token_count(tiny_tokenizer):
    """Prevents the last window, often a word or two, from being drawn as often as a full one."""
    cutter = WindowCutter(tiny_tokenizer, 8, 4)
    text = " ".join(["card"] * 6 + ["box"])
    rng = np.random.default_rng(0)
    drawn = [cutter.crop([text], rng)[0] for _ in range(400)]
    assert 0.05 < drawn.count("box") / 400 < 0.25


def test_a_window_without_room(tiny_tokenizer):
    """Prevents an endless row of windows that hold special tokens only."""
    with pytest.raises(InputError, match="max_length must be at least 3, got 2"):
        WindowCutter(tiny_tokenizer, 2)
    assert len(WindowCutter(tiny_tokenizer, 3, 100).cut(["card box"])[0]) == 2


def test_the_tokenizer_stays_as_it_was(tiny_tokenizer):
    """Prevents the model's own tokenizer from truncating afterwards."""
    tokenizer = Tokenizer.from_str(tiny_tokenizer.to_str())
    tokenizer.enable_truncation(5)
    WindowCutter(tokenizer, 3).cut([TEXT])
    assert tokenizer.truncation["max_length"] == 5


def test_byte_level_offsets_are_characters():
    """Prevents crops that are cut at bytes where a tokenizer counts in bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({sign: i for i, sign in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    text = "你好世界é"
    [windows] = WindowCutter(tokenizer, 6, 10).cut([text])
    assert [text[window.start : window.stop] for window in windows] == ["你好", "世界", "é"]


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_the_average(n_windows, seed):
    """Prevents windows of great length, or few tokens, from deciding the direction."""
    rng = np.random.default_rng(seed)
    vectors, weights = rng.normal(size=(n_windows, 3)), rng.integers(1, 300, size=n_windows)
    lengths = [np.sqrt((vector**2).sum()) for vector in vectors]
    mean = sum(w * vector / length for w, vector, length in zip(weights, vectors, lengths, strict=True))
    length = sum(w * length for w, length in zip(weights, lengths, strict=True)) / weights.sum()
    np.testing.assert_allclose(average_windows(vectors, weights), mean / np.linalg.norm(mean) * length, atol=1e-9)
    assert np.all(average_windows(np.zeros((n_windows, 3)), weights) == 0)
