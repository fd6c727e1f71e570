"""How a student learns from its teacher's answers: rounds, what is drawn of the pool, how it is drawn."""

import dataclasses

from fewshot.classifiers.pseudo_labels import SAMPLINGS
from fewshot.core.errors import InputError, did_you_mean


@dataclasses.dataclass(frozen=True)
class SelfTrainSettings:
    """See :class:`~fewshot.classifiers.self_training.SelfTrainingClassifier`.

    Raises
    ------
    InputError
        If a setting is out of range.
    """

    rounds: int
    passes: int
    per_round: int
    max_unlabeled: int
    sampling: str
    balanced: bool
    dropout: float | None
    upper_layers: int | None

    def __post_init__(self) -> None:
        for name, least in (("rounds", 1), ("passes", 2), ("per_round", 1), ("max_unlabeled", 1), ("upper_layers", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name} must be at least {least}, got {value}")
        if self.sampling not in SAMPLINGS:
            hint = did_you_mean(str(self.sampling), SAMPLINGS)
            raise InputError(f"sampling must be one of {', '.join(SAMPLINGS)}, got {self.sampling!r}.{hint}")
        if self.dropout is not None and not 0 < self.dropout < 1:
            raise InputError(f"dropout must be above 0 and below 1, got {self.dropout}")
