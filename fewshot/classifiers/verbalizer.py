"""The words that stand for classes at a mask, and their tokens: a verbalizer.

Schick & Schütze 2021 (PET), arXiv:2001.07676. How well the words fit is left to
:class:`~fewshot.training.phrases.PhraseScores`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from fewshot.classifiers.prompts import Variant, spell
from fewshot.classifiers.templates import check_label_words, words_of
from fewshot.core.errors import InputError, did_you_mean
from fewshot.data.labels import LabelSpace, plain_label
from fewshot.data.texts import Label
from fewshot.training.phrases import PhraseScores, Spelling

MANY_TOKENS = 4
"""Words of more tokens than this are worth a note: each length of words takes a pass of its own."""


def check_words(label_words: Any) -> dict[Label, tuple[str, ...]]:
    """Return the words of each label as a tuple; none for ``None``.

    Raises
    ------
    InputError
        If ``label_words`` does not map labels to texts, or to sequences of texts, that are not empty.

    Examples
    --------
    >>> check_words({"pos": ["great", "good"], "neg": "bad"})
    {'pos': ('great', 'good'), 'neg': ('bad',)}
    """
    if label_words is None:
        return {}
    if not isinstance(label_words, Mapping):
        check_label_words(label_words)
    words = {}
    for name, given in label_words.items():
        several = (given,) if isinstance(given, str) or not isinstance(given, Sequence) else tuple(given)
        for word in several or ("",):
            check_label_words({name: word})
        words[plain_label(name)] = tuple(dict.fromkeys(several))
    return words


@dataclasses.dataclass(frozen=True)
class Verbalizer:
    """Phrases of all classes, spelt in the tokens of a model.

    Parameters
    ----------
    phrases : tuple of str
    groups : tuple of int
        Number of the class that each phrase stands for.
    spellings : tuple of tuples of tuples of int
        For each phrase and template its tokens: at least one.
    """

    phrases: tuple[str, ...]
    groups: tuple[int, ...]
    spellings: tuple[tuple[tuple[int, ...], ...], ...]

    @classmethod
    def of(
        cls,
        space: LabelSpace,
        label_words: Mapping[Label, Sequence[str]],
        tokenizer: Any,
        templates: Sequence[str],
    ) -> "Verbalizer":
        """Spell the words of each class as they stand in the templates.

        Parameters
        ----------
        space : LabelSpace
        label_words : mapping of label to sequence of str
            Words of some or all classes; another's are its name.
        tokenizer : PreTrainedTokenizer
        templates : sequence of str

        Raises
        ------
        InputError
            If a label is not one of the classes, a word cannot be spelt, or two classes share a word.
        """
        for name in label_words:
            if name not in space.classes:
                near = did_you_mean(str(name), map(str, space.classes))
                raise InputError(f"label_words: {name!r} is not one of the {len(space.classes)} classes.{near}")
        named = zip(space.classes, words_of(space), strict=True)
        words = [label_words.get(name, (own_name,)) for name, own_name in named]
        pairs = [(group, phrase) for group, several in enumerate(words) for phrase in several]
        spellings = [
            tuple(_spelt(tokenizer, template, phrase, space.classes[group]) for template in templates)
            for group, phrase in pairs
        ]
        groups = tuple(group for group, _ in pairs)
        _check_distinct(space, groups, spellings)
        return cls(tuple(phrase for _, phrase in pairs), groups, tuple(spellings))

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The prompts that a text needs: each template, with each number of tokens that a phrase has in it."""
        return tuple(sorted({(number, len(ids)) for prompts in self.spellings for number, ids in enumerate(prompts)}))

    def scores(self, aggregate: str) -> PhraseScores:
        """Return what scores classes from the logits at the masks of :attr:`variants`, in their order."""
        slots, next_slot = {}, 0
        for number, length in self.variants:
            slots[number, length] = next_slot
            next_slot += length
        placed: list[list[Spelling]] = [
            [
                tuple((slots[number, len(ids)] + place, token) for place, token in enumerate(ids))
                for number, ids in enumerate(prompts)
            ]
            for prompts in self.spellings
        ]
        return PhraseScores(placed, self.groups, aggregate=aggregate)

    def notes(self, space: LabelSpace) -> list[str]:
        """Return what is to be said of words that are many tokens to the model."""
        longest = max(len(ids) for prompts in self.spellings for ids in prompts)
        if longest <= MANY_TOKENS:
            return []
        phrase = next(
            number for number, prompts in enumerate(self.spellings) if longest in (len(ids) for ids in prompts)
        )
        return [
            f"words such as {self.phrases[phrase]!r} for {space.classes[self.groups[phrase]]!r} are up to {longest} "
            "tokens to this model; single words that it knows (label_words) are filled in more surely and faster"
        ]


def _spelt(tokenizer: Any, template: str, phrase: str, name: Label) -> tuple[int, ...]:
    ids = spell(tokenizer, template, phrase)
    if not ids or tokenizer.unk_token_id in ids:
        raise InputError(
            f"label {name!r}: the model's tokenizer cannot spell {phrase!r}; give other words for it in label_words"
        )
    return ids


def _check_distinct(space: LabelSpace, groups: Sequence[int], spellings: Sequence[tuple[tuple[int, ...], ...]]) -> None:
    known: dict[Any, int] = {}
    for group, spelling in zip(groups, spellings, strict=True):
        other = known.setdefault(spelling, group)
        if other != group:
            raise InputError(
                f"labels {space.classes[other]!r} and {space.classes[group]!r} have the same words to this model and "
                "could not be told apart; give each its own in label_words"
            )
