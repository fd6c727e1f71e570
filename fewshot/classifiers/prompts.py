"""Prompts: a text in a sentence with masks, as tokens that always fit into the model.

The sentence is tokenized whole, text and masks in their places, since byte-level tokenizers know a word with a space
before it from one without. What is too long is cut from the text's end, never from the sentence around it. Which words
shall fill the masks is left to :mod:`fewshot.classifiers.verbalizer`.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import torch

from fewshot.core.errors import InputError

TEMPLATE = "{text} This text is about {mask}."
TEXT, MASK = "{text}", "{mask}"

Variant = tuple[int, int]
"""Number of a template, and how many masks stand in its place for one."""

_PLACES = re.compile(r"(\{text\}|\{mask\})")


@dataclasses.dataclass(frozen=True)
class Prompt:
    """One text in one template.

    Parameters
    ----------
    ids : tuple of int
        Tokens, special ones included.
    masks : tuple of int
        Columns of the masks.
    text : tuple of int
        Columns of the text's tokens.
    """

    ids: tuple[int, ...]
    masks: tuple[int, ...]
    text: tuple[int, ...]


def check_prompt_templates(templates: Any) -> tuple[str, ...]:
    """Return templates as a tuple.

    Raises
    ------
    InputError
        If there is none, or one has not exactly one ``{text}`` and one ``{mask}``. Other braces stand for themselves.

    Examples
    --------
    >>> check_prompt_templates("{mask} news: {text}")
    ('{mask} news: {text}',)
    """
    given = (templates,) if isinstance(templates, str) else templates
    if not isinstance(given, Sequence) or not given:
        raise InputError(f"templates must be a text or a list of texts such as {TEMPLATE!r}, got {templates!r}")
    for template in given:
        if not isinstance(template, str) or any(template.count(place) != 1 for place in (TEXT, MASK)):
            raise InputError(
                f"templates: each must be a text with one {TEXT} and one {MASK}, such as {TEMPLATE!r}; got {template!r}"
            )
    return tuple(dict.fromkeys(given))


class PromptWriter:
    """Writes texts into templates.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizer
        A fast one with a mask token.
    templates : tuple of str
    variants : tuple of Variant
        Which prompts each text gets, in this order.
    max_length : int
        Most tokens of a prompt.

    Raises
    ------
    InputError
        If a prompt has no room for a single token of text, or a template holds a mask token of its own.
    """

    def __init__(
        self, tokenizer: Any, templates: tuple[str, ...], variants: tuple[Variant, ...], max_length: int
    ) -> None:
        self.tokenizer, self.templates, self.variants, self.max_length = tokenizer, templates, variants, max_length
        self._empty = self._tokenized("")
        for (number, n_masks), prompt in zip(variants, self._empty, strict=True):
            template = templates[number]
            if len(prompt.masks) != n_masks:
                raise InputError(
                    f"templates: {template!r} holds a mask token of its own; write {MASK} for the one mask"
                )
            if len(prompt.ids) >= max_length:
                raise InputError(
                    f"template {template!r} takes {len(prompt.ids)} of {max_length} tokens with {n_masks} masks and "
                    "leaves no room for a text; give a shorter template, shorter label_words or a larger max_length"
                )

    def write(self, text: str) -> tuple[Prompt, ...]:
        """Return one prompt a variant, each of at most ``max_length`` tokens with all of its masks."""
        written = self._tokenized(text)
        # Where text and template are one word, tokens of the template may be more than those beside an empty text.
        return tuple(
            prompt if len(prompt.ids) <= self.max_length else empty
            for prompt, empty in zip(written, self._empty, strict=True)
        )

    def _tokenized(self, text: str) -> tuple[Prompt, ...]:
        mask = self.tokenizer.mask_token
        filled = [fill(self.templates[number], text, mask * n_masks) for number, n_masks in self.variants]
        tokens = self.tokenizer([sentence for sentence, _, _ in filled], return_offsets_mapping=True, verbose=False)
        return tuple(
            self._cut(ids, offsets, span)
            for ids, offsets, (_, span, _) in zip(tokens["input_ids"], tokens["offset_mapping"], filled, strict=True)
        )

    def _cut(self, ids: list[int], offsets: list[tuple[int, int]], span: tuple[int, int]) -> Prompt:
        start, end = span
        inside = [start <= first < last <= end for first, last in offsets]  # special tokens are empty
        excess = max(0, len(ids) - self.max_length)
        columns = [column for column, is_text in enumerate(inside) if is_text]
        dropped = set(columns[max(0, len(columns) - excess) :])
        kept = [(token, inside[column]) for column, token in enumerate(ids) if column not in dropped]
        mask = self.tokenizer.mask_token_id
        return Prompt(
            tuple(token for token, _ in kept),
            tuple(column for column, (token, is_text) in enumerate(kept) if token == mask and not is_text),
            tuple(column for column, (_, is_text) in enumerate(kept) if is_text),
        )

    def features(self, examples: Sequence[Sequence[Prompt]]) -> dict[str, torch.Tensor]:
        """Return what :data:`fewshot.training.cloze.Features` says: prompts padded to the longest, and their masks.

        Parameters
        ----------
        examples : sequence of sequences of Prompt
            One prompt a variant, as :meth:`write` gives them.
        """
        prompts = [prompt for example in examples for prompt in example]
        shape = len(prompts), max(len(prompt.ids) for prompt in prompts)
        ids = torch.full(shape, self.tokenizer.pad_token_id)
        attention, text = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.bool)
        for row, prompt in enumerate(prompts):
            ids[row, : len(prompt.ids)] = torch.tensor(prompt.ids)
            attention[row, : len(prompt.ids)] = 1
            text[row, list(prompt.text)] = True
        rows = [row for row, prompt in enumerate(prompts) for _ in prompt.masks]
        columns = [column for prompt in prompts for column in prompt.masks]
        places = {"rows": torch.tensor(rows), "columns": torch.tensor(columns)}
        return {"input_ids": ids, "attention_mask": attention, "text": text, **places}


def fill(template: str, text: str, filling: str) -> tuple[str, tuple[int, int], tuple[int, int]]:
    """Put a text, and something in place of the mask, into a template.

    Returns
    -------
    (str, (int, int), (int, int))
        The sentence, and where in it the text and the filling stand.

    Examples
    --------
    >>> fill("{mask}: {text}", "no {mask} here", "news")
    ('news: no {mask} here', (6, 20), (0, 4))
    """
    sentence, spans = "", {}
    for part in _PLACES.split(template):
        piece = {TEXT: text, MASK: filling}.get(part, part)
        spans[part] = len(sentence), len(sentence) + len(piece)
        sentence += piece
    return sentence, spans[TEXT], spans[MASK]


def spell(tokenizer: Any, template: str, words: str) -> tuple[int, ...]:
    """Return the tokens that words would have in the place of the mask, beside an empty text."""
    sentence, _, (start, end) = fill(template, "", words)
    start = len(sentence[:start].rstrip())  # the space before a word is its own, in its first token or as one
    tokens = tokenizer(sentence, return_offsets_mapping=True, verbose=False)
    return tuple(
        token
        for token, (first, last) in zip(tokens["input_ids"], tokens["offset_mapping"], strict=True)
        if first < end and last > start
    )
