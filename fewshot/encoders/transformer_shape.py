"""How large a transformer's parts are, what they cost to compute, and where its feed-forward blocks stand.

Known are the families that most sentence encoders belong to; of others no part is cut and nothing is counted.
"""

import dataclasses
from typing import Any

from sentence_transformers import SentenceTransformer
from torch import nn

from fewshot.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class FeedForward:
    """Where the two matrices of a layer's feed-forward block stand, and what the configuration calls their units.

    Parameters
    ----------
    up, down : str
        Paths below a layer, to the units and back.
    size : str
        Name of the number of units in the configuration.
    """

    up: str = "intermediate.dense"
    down: str = "output.dense"
    size: str = "intermediate_size"

    def of(self, layer: nn.Module) -> tuple[nn.Linear, nn.Linear]:
        """Return both matrices of a layer."""
        return layer.get_submodule(self.up), layer.get_submodule(self.down)  # type: ignore[return-value]


FAMILIES = {
    "bert": FeedForward(),
    "roberta": FeedForward(),
    "xlm-roberta": FeedForward(),
    "mpnet": FeedForward(),
    "distilbert": FeedForward("ffn.lin1", "ffn.lin2", "hidden_dim"),
}
"""By ``model_type`` of the configuration; MiniLM's are of the family of BERT."""


@dataclasses.dataclass(frozen=True)
class TransformerShape:
    """How large a transformer of one of :data:`FAMILIES` is.

    Parameters
    ----------
    layers : int
    width : int
        Dimensions of the hidden states.
    units : int
        Of each layer's feed-forward block.

    Examples
    --------
    >>> TransformerShape(layers=6, width=384, units=1536).flops(128) / 1e9
    2.868903936
    """

    layers: int
    width: int
    units: int

    def flops(self, n_tokens: int) -> int:
        """Return the floating-point operations for one text of ``n_tokens`` tokens, two for each multiply-add.

        Those of the matrices are counted: query, key, value and output of attention, its scores and their mixture, and
        both of the feed-forward block. Norms, activations and softmax, some hundredths of that, are not.
        """
        projections = 4 * self.width**2
        feed_forward = 2 * self.width * self.units
        attention = 2 * n_tokens * self.width
        return 2 * self.layers * n_tokens * (projections + feed_forward + attention)


def feed_forward_of(transformer: Any) -> FeedForward:
    """Return where a transformer's feed-forward blocks stand.

    Raises
    ------
    InputError
        If it belongs to no family of :data:`FAMILIES`.
    """
    kind = getattr(transformer.config, "model_type", type(transformer).__name__)
    if kind not in FAMILIES:
        raise InputError(
            f"encoder is a transformer of the family {kind!r}, whose parts are not known here; take one of "
            f"{', '.join(FAMILIES)}, or 'layers:N', which cuts any transformer with a list of layers"
        )
    return FAMILIES[kind]


def shape_of(transformer: Any) -> TransformerShape:
    """Return how large a transformer is.

    Raises
    ------
    InputError
        If it belongs to no family of :data:`FAMILIES`.
    """
    config = transformer.config
    units = getattr(config, feed_forward_of(transformer).size)
    return TransformerShape(config.num_hidden_layers, config.hidden_size, units)


def count_flops(model: SentenceTransformer, n_tokens: int) -> int:
    """Return the floating-point operations of a sentence encoder for one text, two for each multiply-add.

    Parameters
    ----------
    model : SentenceTransformer
        Of a transformer of one of :data:`FAMILIES`.
    n_tokens : int
        Length of the text, special tokens included; padding costs as much as text.

    Returns
    -------
    int
        Of the transformer's matrices, its pooler, which transformers computes even where nothing looks at it, and
        dense modules after the pooling.

    Raises
    ------
    InputError
        If the transformer belongs to no known family.
    """
    transformer: Any = model[0].auto_model
    inside = shape_of(transformer).flops(n_tokens)
    once = [part for part in (getattr(transformer, "pooler", None), *list(model)[1:]) if part is not None]
    matrices: list[Any] = [part for module in once for part in module.modules() if isinstance(part, nn.Linear)]
    return inside + sum(2 * part.in_features * part.out_features for part in matrices)
