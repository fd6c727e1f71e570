"""Whether an adapted encoder is kept: not one that does worse by its own objective, nor one whose vectors collapsed."""

import dataclasses

COLLAPSED = 0.95
"""A mean cosine of all pairs from which on texts can hardly be told apart, unless it was as high before."""

LEARNT = 0.01
"""A contrastive loss below which an encoder tells any text from all others of a batch already."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The figures of an adaptation, before and after, by the objective and by the vectors.

    Parameters
    ----------
    objective : str
    loss_before, loss_after : float or None
        On held-out texts; ``None`` where there were none.
    cosine_before, cosine_after : float
        Mean cosine of all pairs of texts.

    Examples
    --------
    >>> Verdict("simcse", 0.2, 0.1, 0.3, 0.2).reason is None
    True
    >>> Verdict("simcse", 0.2, 0.1, 0.3, 0.99).reason
    'the vectors collapsed: their mean cosine went from 0.30 to 0.99'
    """

    objective: str
    loss_before: float | None
    loss_after: float | None
    cosine_before: float
    cosine_after: float

    @property
    def reason(self) -> str | None:
        """Why the encoder stays as it was; ``None`` where it does not."""
        if self.loss_before is not None and self.loss_after is not None and self.loss_after >= self.loss_before:
            return f"the held-out loss did not fall: {self.loss_before:.4f} before, {self.loss_after:.4f} after"
        # Masked-language models are fine-tuned afterwards; what their bare vectors are like decides nothing.
        if self.objective != "mlm" and self.cosine_after >= max(COLLAPSED, self.cosine_before):
            cosines = f"from {self.cosine_before:.2f} to {self.cosine_after:.2f}"
            return f"the vectors collapsed: their mean cosine went {cosines}"
        return None

    @property
    def notes(self) -> list[str]:
        """What is to be said of the outcome."""
        notes = []
        if self.reason is not None:
            notes.append(f"the encoder stays as it was: {self.reason}")
        if self.objective == "simcse" and self.loss_before is not None and self.loss_before < LEARNT:
            notes.append(
                f"this encoder told the texts apart before (held-out loss {self.loss_before:.4f}): simcse has nothing "
                "to teach it, and steps without an aim rather do harm"
            )
        return notes
