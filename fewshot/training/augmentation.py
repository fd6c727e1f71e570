"""Copies of labelled texts that language models write: words replaced in context, translations there and back.

Both keep the protocol :class:`~fewshot.data.augmentation.Augmentation`. A model is opened when copies are made and let
go after; what copies are good for is left to :mod:`fewshot.classifiers.augmented`.
"""

import dataclasses
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSeq2SeqLM

from fewshot.core.errors import DataWarning, FewshotError, InputError, did_you_mean
from fewshot.core.optional import import_extra
from fewshot.core.progress import track
from fewshot.data.augmentation import check_copies, only_new
from fewshot.encoders.device import choose_device
from fewshot.encoders.opening import unreported
from fewshot.encoders.transformer_opening import length_limit, open_tokenizer, open_with_head
from fewshot.training.seeding import check_random_state, seeded
from fewshot.training.word_filler import Masking, WordFiller


@dataclasses.dataclass(frozen=True)
class ContextualAugmentation:
    """Copies with some words replaced by what a masked language model expects in their place.

    Parameters
    ----------
    model : str or Path
        A local folder or Hub id of a model with a masked-language-model head, such as BERT or RoBERTa.
    n_copies : int, default=4
        Copies a text; those that come out alike are dropped.
    share : float, default=0.15
        Share of a text's words that are replaced, above 0 and at most 1; one at least. All are masked at once.
    top_k : int, default=20
        A word is drawn among so many that are likeliest, the replaced one left out.
    temperature : float, default=1.0
        Above 0. Below 1 likely words are drawn more often, above 1 less.
    batch_size : int, default=32
        Texts that the model reads at once; texts of like length together.
    device : str, optional
        Where it runs; default: the fastest there is.

    Raises
    ------
    InputError
        If a setting is out of range.

    Notes
    -----
    Words are runs of letters, replaced whole by tokens that are words; numbers, signs and special tokens stay. In texts
    longer than the model can read, words beyond its reach stay. A text without words, or one that already holds the
    mask token, has no copies.

    The model knows nothing of labels: in "a good film" it may replace "good" by "bad". A small ``share`` makes that
    rare.

    References
    ----------
    Kobayashi 2018, "Contextual Augmentation: Data Augmentation by Words with Paradigmatic Relations", arXiv:1805.06201.
    Wu et al. 2019, "Conditional BERT Contextual Augmentation", arXiv:1812.06705.

    Examples
    --------
    >>> ContextualAugmentation("google-bert/bert-base-uncased", n_copies=2).top_k
    20
    """

    model: str | Path
    n_copies: int = 4
    share: float = 0.15
    top_k: int = 20
    temperature: float = 1.0
    batch_size: int = 32
    device: str | None = None

    def __post_init__(self) -> None:
        _check_named("contextual", self.model)
        check_copies(self.n_copies)
        if not 0 < self.share <= 1:
            raise InputError(f"share must be above 0 and at most 1, got {self.share}")
        if self.top_k < 1 or self.batch_size < 1:
            raise InputError(f"top_k and batch_size must be at least 1, got {self.top_k} and {self.batch_size}")
        _check_temperature(self.temperature)

    def augmented(self, texts: Sequence[str], y: np.ndarray, *, random_state: int) -> tuple[list[str], np.ndarray]:
        """Return copies, and the row ``(n_copies,)`` of the text that each was made from; ``y`` is not looked at."""
        check_random_state(random_state)
        rng = np.random.default_rng(random_state)
        filler = WordFiller.open(self.model, self.device)
        maskings = [
            Masking(row, text, *drawn)
            for _ in range(self.n_copies)
            for row, text in enumerate(texts)
            for drawn in self._draw_words(text, filler, rng)
        ]
        order = np.argsort([-len(masking.text) for masking in maskings], kind="stable")
        copies = [""] * len(maskings)
        with track("replacing words", total=len(maskings)) as advance:
            for start in range(0, len(order), self.batch_size):
                places = order[start : start + self.batch_size]
                batch = [maskings[place] for place in places]
                for place, copy in zip(places, filler.fill(batch, self.top_k, self.temperature), strict=True):
                    copies[place] = copy
                advance(len(batch))
        return only_new(texts, copies, np.array([masking.row for masking in maskings], dtype=np.int64))

    def _draw_words(
        self, text: str, filler: WordFiller, rng: np.random.Generator
    ) -> Iterator[tuple[list[tuple[int, int]], np.ndarray]]:
        """Give places of words to replace, in order, and a random number for each; nothing where there are none."""
        words = filler.words_in(text)
        if words:
            chosen = rng.choice(len(words), size=max(1, round(self.share * len(words))), replace=False)
            yield [words[place] for place in np.sort(chosen)], rng.random(len(chosen))


@dataclasses.dataclass(frozen=True)
class BackTranslation:
    """Copies by translation into another language and back.

    Parameters
    ----------
    forth, back : str or Path
        Local folders or Hub ids of two translation models of transformers, encoder and decoder each, such as
        ``"Helsinki-NLP/opus-mt-en-de"`` and ``"Helsinki-NLP/opus-mt-de-en"`` (whose tokenizers need ``pip install
        'fewshot[translation]'``), or one model of many languages for both ways.
    n_copies : int, default=1
        Translations a text; those that come back alike are dropped.
    temperature : float or None, default=0.9
        Translations there are drawn at this temperature, above 0. ``None``: beam search, which gives the likeliest and
        the least varied ones.
    num_beams : int, default=4
        Of beam search, which the way back always is. Without a temperature at least ``n_copies``.
    batch_size : int, default=16
        Texts a call; texts of like length together.
    device : str, optional
        Where the models run; default: the fastest there is.
    languages : (str, str), optional
        Language of the texts and the one in between, as the models call them: ``("eng_Latn", "deu_Latn")`` for NLLB,
        ``("en", "de")`` for M2M100, ``("en_XX", "de_DE")`` for mBART. For models of many languages, which have to be
        told; others do not look at it.
    prefixes : (str, str), default=("", "")
        What stands before each text on the way there and on the way back, such as ``"translate English to German: "``
        for T5.

    Raises
    ------
    InputError
        If a setting is out of range; when copies are made, if a model has to be told languages, or knows them not.
    MissingExtraError
        When copies are made, if a tokenizer needs a package that is not installed.

    References
    ----------
    Sennrich, Haddow, Birch 2016, "Improving Neural Machine Translation Models with Monolingual Data", arXiv:1511.06709.
    Edunov et al. 2018, "Understanding Back-Translation at Scale", arXiv:1808.09381 (sampling against beams). For
    classifiers: Xie et al. 2020, "Unsupervised Data Augmentation for Consistency Training", arXiv:1904.12848.

    Examples
    --------
    >>> BackTranslation("Helsinki-NLP/opus-mt-en-de", "Helsinki-NLP/opus-mt-de-en").num_beams
    4
    >>> many = "facebook/nllb-200-distilled-600M"
    >>> BackTranslation(many, many, languages=("eng_Latn", "deu_Latn")).languages
    ('eng_Latn', 'deu_Latn')
    """

    forth: str | Path
    back: str | Path
    n_copies: int = 1
    temperature: float | None = 0.9
    num_beams: int = 4
    batch_size: int = 16
    device: str | None = None
    languages: tuple[str, str] | None = None
    prefixes: tuple[str, str] = ("", "")

    def __post_init__(self) -> None:
        for name in (self.forth, self.back):
            _check_named("back-translation", name)
        if self.languages is not None and not _two_texts(self.languages, least=1):
            raise InputError(
                f"languages must be two names, of the texts' language and of the one in between, got {self.languages!r}"
            )
        if not _two_texts(self.prefixes, least=0):
            raise InputError(f"prefixes must be two strings, for the way there and back, got {self.prefixes!r}")
        check_copies(self.n_copies)
        if self.num_beams < 1 or self.batch_size < 1:
            raise InputError(f"num_beams and batch_size must be at least 1, got {self.num_beams}, {self.batch_size}")
        if self.temperature is not None:
            _check_temperature(self.temperature)
        elif self.num_beams < self.n_copies:
            raise InputError(f"num_beams must be at least n_copies, {self.n_copies}, got {self.num_beams}")

    def augmented(self, texts: Sequence[str], y: np.ndarray, *, random_state: int) -> tuple[list[str], np.ndarray]:
        """Return copies, and the row ``(n_copies,)`` of the text that each was made from; ``y`` is not looked at.

        Warns
        -----
        DataWarning
            If texts are longer than the first model reads, so that their ends are not in the copies.
        """
        rows = [row for row, text in enumerate(texts) if text.strip()]
        beams = {"num_beams": self.num_beams, "do_sample": False}
        drawn = {"num_beams": 1, "do_sample": True, "temperature": self.temperature}
        there = (beams if self.temperature is None else drawn) | {"num_return_sequences": self.n_copies}
        with seeded(random_state), unreported():
            first, last = self.prefixes
            abroad = self._translated(self.forth, [first + texts[row] for row in rows], there, notes=True)
            copies = self._translated(self.back, [last + text for text in abroad], beams, is_back=True)
        return only_new(texts, copies, np.repeat(np.array(rows, dtype=np.int64), self.n_copies))

    def _translated(
        self,
        source: str | Path,
        texts: list[str],
        options: dict[str, Any],
        *,
        notes: bool = False,
        is_back: bool = False,
    ) -> list[str]:
        """Return the translations of each text, one after the other; with ``notes`` say how many are cut."""
        device = choose_device(self.device)
        tokenizer = _open_tokenizer(source)
        options = options | _in_language(tokenizer, source, self.languages, is_back=is_back)
        model = open_with_head(AutoModelForSeq2SeqLM, source, "translate").to(device)
        limit = length_limit(model, tokenizer)
        if notes:
            _note_of_long(texts, tokenizer, limit, source)
        each = options.get("num_return_sequences", 1)
        order = np.argsort([-len(text) for text in texts], kind="stable")
        translations = [""] * (each * len(texts))
        with track("translating", total=len(texts)) as advance, torch.inference_mode():
            for start in range(0, len(order), self.batch_size):
                places = order[start : start + self.batch_size]
                batch = [texts[place] for place in places]
                tokens = tokenizer(batch, padding=True, truncation=True, max_length=limit, return_tensors="pt")
                given = {name: tokens[name].to(device) for name in ("input_ids", "attention_mask")}
                output = model.generate(**given, **options, max_new_tokens=limit)
                written = tokenizer.batch_decode(output, skip_special_tokens=True)
                for number, text in enumerate(written):
                    translations[places[number // each] * each + number % each] = text
                advance(len(batch))
        return translations


def _open_tokenizer(source: str | Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Recommended: pip install sacremoses")  # it straightens quotes, no more
            return open_tokenizer(source)
    except FewshotError as error:
        if "sentencepiece" in str(error).casefold():
            import_extra("sentencepiece", extra="translation", purpose=f"the tokenizer of {str(source)!r}")
        raise


def _in_language(
    tokenizer: Any, source: str | Path, languages: tuple[str, str] | None, *, is_back: bool
) -> dict[str, Any]:
    """Tell a tokenizer of many languages which one it reads, and return what makes its model write the other."""
    if not hasattr(tokenizer, "src_lang"):
        return {}
    if languages is None:
        raise InputError(
            f"{str(source)!r} translates between many languages and has to be told which: give languages=(of the "
            "texts, in between), or --augment back-translation:MODEL1,MODEL2,LANGUAGE1,LANGUAGE2"
        )
    here, there = reversed(languages) if is_back else languages
    numbers = {name: _language_number(tokenizer, name) for name in languages}
    for name, number in numbers.items():
        if number is None:
            near = did_you_mean(name, [_bare(token) for token in tokenizer.all_special_tokens])
            raise InputError(f"{str(source)!r} knows no language {name!r}.{near}")
    tokenizer.src_lang = here
    return {"forced_bos_token_id": numbers[there]}


def _language_number(tokenizer: Any, language: str) -> int | None:
    """Return the number of the token that stands for a language: itself, or, in M2M100, in underscores."""
    for token in (language, f"__{language}__"):
        number = tokenizer.convert_tokens_to_ids(token)
        if number is not None and number != tokenizer.unk_token_id and token in tokenizer.all_special_tokens:
            return int(number)
    return None


def _bare(token: str) -> str:
    return token.removeprefix("__").removesuffix("__")


def _two_texts(given: Any, *, least: int) -> bool:
    return (
        isinstance(given, (tuple, list))
        and len(given) == 2
        and all(isinstance(text, str) and len(text.strip()) >= least for text in given)
    )


def _note_of_long(texts: Sequence[str], tokenizer: Any, limit: int, source: str | Path) -> None:
    n_long = sum(len(ids) > limit for ids in tokenizer(list(texts))["input_ids"]) if texts else 0
    if n_long:
        warnings.warn(
            f"{n_long} of {len(texts)} texts are longer than the {limit} tokens that {str(source)!r} reads: their ends "
            "are not in the copies",
            DataWarning,
            stacklevel=4,
        )


def _check_named(kind: str, model: Any) -> None:
    if not isinstance(model, (str, Path)) or not str(model).strip():
        raise InputError(f"{kind} augmentation needs the name or folder of each of its models, got {model!r}")


def _check_temperature(temperature: float) -> None:
    if not 0 < temperature < float("inf"):
        raise InputError(f"temperature must be above 0 and finite, got {temperature}")
