"""Which tokens are hidden and what is put in their place, drawn anew for every batch from torch's random state.

That state is in the checkpoints, so that a resumed training hides the same tokens. A data collator with a generator of
its own would draw others after a resume, since it is not called for the batches that are passed over.
"""

import json
from typing import Any

import torch
from torch import nn

from fewshot.core.errors import InputError

MASKED, RANDOM = 0.8, 0.1
"""Shares of the hidden tokens that become the mask token, and any token; the others stay as they are."""


class TokenMasker(nn.Module):
    """Hides tokens of a batch as BERT's training does.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizer
        With a mask token.
    probability : float, default=0.15
        Share of the tokens that are hidden; special tokens and unknown ones never are.
    whole_words : bool, default=False
        Whether the tokens of a word are hidden together.

    Raises
    ------
    InputError
        If there is no mask token, the share is out of range, or no one knows where words begin.

    Notes
    -----
    Devlin et al. 2019, "BERT", arXiv:1810.04805, section 3.1; dynamic masking as in Liu et al. 2019, "RoBERTa",
    arXiv:1907.11692. Of the hidden tokens 80 % become the mask token, 10 % any token, and 10 % stay.
    """

    special: torch.Tensor
    continues: torch.Tensor

    def __init__(self, tokenizer: Any, *, probability: float = 0.15, whole_words: bool = False) -> None:
        super().__init__()
        if not 0 < probability < 1:
            raise InputError(f"mask_probability must be above 0 and below 1, got {probability}; 0.15 is usual")
        if tokenizer.mask_token_id is None:
            raise InputError(
                "objective 'mlm' needs a tokenizer with a mask token, and this one has none; use 'simcse' or 'tsdae'"
            )
        self.mask_id, self.n_tokens = int(tokenizer.mask_token_id), len(tokenizer)
        self.probability, self.whole_words = probability, whole_words
        self.register_buffer("special", torch.tensor(sorted(tokenizer.all_special_ids)), persistent=False)
        continues = continuing_tokens(tokenizer) if whole_words else torch.zeros(0, dtype=torch.bool)
        self.register_buffer("continues", continues, persistent=False)

    def forward(self, ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Hide tokens of a batch.

        Parameters
        ----------
        ids, attention_mask : Tensor of shape (B, length)

        Returns
        -------
        inputs : Tensor of shape (B, length)
            What the model reads.
        hidden : Tensor of shape (B, length), bool
            Which tokens it shall tell.
        """
        open_ = attention_mask.bool() & ~torch.isin(ids, self.special)
        chance = torch.rand(ids.shape, device=ids.device)
        if self.whole_words:
            chance = chance.gather(1, word_numbers(open_, self.continues[ids]))
        hidden = open_ & (chance < self.probability)
        fate = torch.rand(ids.shape, device=ids.device)
        anything = torch.randint(self.n_tokens, ids.shape, device=ids.device)
        inputs = torch.where(hidden & (fate < MASKED), self.mask_id, ids)
        return torch.where(hidden & (fate >= 1 - RANDOM), anything, inputs), hidden


def word_numbers(open_: torch.Tensor, continues: torch.Tensor) -> torch.Tensor:
    """Return for each token the number of its word in the row.

    Examples
    --------
    >>> word_numbers(torch.tensor([[False, True, True, True, False]]), torch.tensor([[0, 0, 1, 0, 0]]).bool())
    tensor([[0, 1, 1, 2, 3]])
    """
    follows = torch.zeros_like(open_)
    follows[:, 1:] = open_[:, :-1] & open_[:, 1:] & continues[:, 1:]
    return (~follows).cumsum(dim=1) - 1


def continuing_tokens(tokenizer: Any) -> torch.Tensor:
    """Return which tokens of the vocabulary continue a word, ``(n_tokens,)``.

    Raises
    ------
    InputError
        If tokens do not say so, by ``##`` before those that continue a word or by a sign before those that begin one.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    model = json.loads(backend.to_str())["model"] if backend is not None else {}
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    prefix = model.get("continuing_subword_prefix")
    if model.get("type") == "WordPiece" and prefix:
        return torch.tensor([token is not None and token.startswith(prefix) for token in tokens])
    begins = [token is not None and token.startswith(("Ġ", "▁")) for token in tokens]
    if not any(begins):
        raise InputError("whole_word=True needs a tokenizer that marks where words begin; use whole_word=False")
    return ~torch.tensor(begins)
