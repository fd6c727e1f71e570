"""TSDAE: from the vector of a text without most of its tokens a decoder shall tell the whole text."""

from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import nn

from fewshot.adaptation.objective import Objective
from fewshot.core.errors import InputError
from fewshot.training.embedding import embed
from fewshot.training.processes import gather_batch

DECODER_RATE = 1e-3
"""Peak learning rate of the decoder's own weights, which start at random."""


class DenoisingLoss(Objective):
    """Mean cross-entropy of a text's tokens, told one after the other from the vector of a damaged copy.

    Parameters
    ----------
    model : SentenceTransformer
        The encoder in training.
    decoder : PreTrainedModel
        See :func:`~fewshot.adaptation.decoder.make_decoder`.
    deletion : float, default=0.6
        Share of the tokens that are deleted; of each text at least one stays.

    Raises
    ------
    InputError
        If the share is out of range.

    Notes
    -----
    Wang, Reimers, Gurevych 2021, "TSDAE: Using Transformer-based Sequential Denoising Auto-Encoder for Unsupervised
    Sentence Embedding Learning", arXiv:2104.06979. All that the decoder knows of the text is its vector, brought to the
    length √dimension, which is that of the states it reads elsewhere: what cosines do not see it does not see either.
    """

    def __init__(self, model: SentenceTransformer, decoder: nn.Module, *, deletion: float = 0.6) -> None:
        super().__init__()
        if not 0 < deletion < 1:
            raise InputError(f"mask_probability must be above 0 and below 1, got {deletion}; 0.6 is usual for tsdae")
        self.model, self.decoder, self.deletion = model, decoder, deletion
        tokenizer: Any = model.tokenizer
        names = ("cls", "sep", "bos", "eos", "pad")  # an unknown token is text like any other
        ids = [getattr(tokenizer, f"{name}_token_id", None) for name in names]
        self.kept_ids = tuple(sorted({int(number) for number in ids if number is not None}))
        self.pad_id = int(tokenizer.pad_token_id or 0)

    def settings(self) -> dict[str, Any]:
        """Return the share that is deleted and the decoder's learning rate."""
        return {"mask_probability": self.deletion, "decoder_rate": DECODER_RATE}

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return the encoder's parameters at ``learning_rate`` and the decoder's own at a rate of their own."""
        ours = {id(parameter) for parameter in self.model.parameters()}
        fresh = [parameter for parameter in self.decoder.parameters() if id(parameter) not in ours]
        return [
            {"params": [p for p in self.model.parameters() if p.requires_grad], "lr": learning_rate},
            {"params": fresh, "lr": DECODER_RATE},
        ]

    def value(self, features: dict[str, Any], rows: torch.Tensor) -> torch.Tensor:
        """Return the mean over all tokens of the batch but each text's first."""
        damaged = delete_tokens(features, share=self.deletion, kept_ids=self.kept_ids, pad_id=self.pad_id)
        vectors = embed(self.model, damaged)
        ids, mask = features["input_ids"], features["attention_mask"].bool()
        logits = decode(self.decoder, ids[:, :-1], mask[:, :-1], vectors)
        told = mask[:, 1:] & mask[:, :-1]
        losses = nn.functional.cross_entropy(logits[told].float(), ids[:, 1:][told], reduction="none")
        whole, _ = gather_batch(losses, ids[:, 1:][told])
        return whole.sum() / max(1, len(whole))


def decode(decoder: nn.Module, ids: torch.Tensor, attention_mask: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """Return logits ``(B, length, n_tokens)`` of each next token, from the tokens before it and the text's vector.

    Parameters
    ----------
    decoder : PreTrainedModel
    ids, attention_mask : Tensor of shape (B, length)
    vectors : Tensor of shape (B, dimension)
        Of any length; the decoder reads them at length √dimension.
    """
    states = nn.functional.normalize(vectors.float()) * vectors.shape[1] ** 0.5
    return decoder(
        input_ids=ids,
        attention_mask=attention_mask.to(ids.dtype),
        encoder_hidden_states=states[:, None],
        encoder_attention_mask=ids.new_ones((len(ids), 1)),
        use_cache=False,
    ).logits


def delete_tokens(features: dict[str, Any], *, share: float, kept_ids: tuple[int, ...], pad_id: int) -> dict[str, Any]:
    """Return the features of texts with tokens deleted at random, those left moved together.

    Parameters
    ----------
    features : dict
        ``input_ids`` and ``attention_mask`` of shape (B, length), and what else the model reads.
    share : float
        Probability that a token is deleted. Where all of a text would be, one stays.
    kept_ids : tuple of int
        Special tokens, which always stay.
    pad_id : int
        What fills up shorter texts, on the right.
    """
    ids, mask = features["input_ids"], features["attention_mask"].bool()
    special = torch.isin(ids, torch.tensor(kept_ids, device=ids.device))
    words = mask & ~special
    chance = torch.rand(ids.shape, device=ids.device).masked_fill(~words, -1.0)
    # The token with the greatest chance stays in any case, in texts that have one.
    left = (mask & special) | (words & ((chance >= share) | (chance == chance.amax(dim=1, keepdim=True))))
    order = torch.argsort((~left).to(torch.uint8), dim=1, stable=True)[:, : int(left.sum(dim=1).max())]
    filled = left.gather(1, order)
    damaged = {
        name: value.gather(1, order) * filled if isinstance(value, torch.Tensor) and value.shape == ids.shape else value
        for name, value in features.items()
    }
    damaged["input_ids"] = damaged["input_ids"].masked_fill(~filled, pad_id)
    return damaged
