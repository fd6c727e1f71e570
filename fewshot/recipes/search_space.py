"""What a search may change: a method's settings, where each may lie, and what it is by default."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from fewshot.core.errors import InputError, did_you_mean


@dataclasses.dataclass(frozen=True)
class Dimension:
    """One setting of a search: a choice among values, or a number between two on a logarithmic scale.

    Parameters
    ----------
    name : str
        The classifier's argument.
    default : str, int, float, bool or None
        Its value in the first trial, where the classifier itself names none.
    choices : tuple, optional
        All values that it may take.
    low, high : float, optional
        Instead of ``choices``: the smallest and the largest number, both above 0.
    when : (str, value), optional
        Another dimension, declared earlier, and the value of it at which this one matters. Otherwise it is not set.

    Examples
    --------
    >>> Dimension("margin", 0.25, low=0.1, high=1.0, when=("loss", "triplet")).matters({"loss": "cosine"})
    False
    """

    name: str
    default: Any
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    when: tuple[str, Any] | None = None

    def __post_init__(self) -> None:
        inside = self.default in self.choices if self.choices else 0 < self.low <= self.default <= self.high
        if not inside:
            allowed = self.choices or f"{self.low} to {self.high}, both above 0"
            raise InputError(f"the default of {self.name} must be one of its values, {allowed}; got {self.default!r}")

    def matters(self, params: Mapping[str, Any]) -> bool:
        """Tell whether this setting has any effect beside ``params``."""
        return self.when is None or (self.when[0] in params and params[self.when[0]] == self.when[1])

    def starting_from(self, value: Any) -> "Dimension":
        """Return the dimension with another default, its numbers wide enough to hold it; ``None`` changes nothing."""
        if value in self.choices:
            return dataclasses.replace(self, default=value)
        if self.choices or not isinstance(value, (int, float)) or value <= 0:
            return self
        return dataclasses.replace(self, default=value, low=min(self.low, value), high=max(self.high, value))

    def suggest(self, trial: Any) -> Any:
        """Ask an Optuna trial for a value."""
        if self.choices:
            return trial.suggest_categorical(self.name, self.choices)
        return trial.suggest_float(self.name, self.low, self.high, log=True)


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """The settings that a search varies.

    Parameters
    ----------
    dimensions : tuple of Dimension
    in_trials : tuple of (str, value)
        Further arguments of the classifier, for trials alone: what makes them faster and is not searched.

    Examples
    --------
    >>> SETFIT.defaults()["loss"]
    'contrastive'
    >>> "temperature" in SETFIT.without(loss="cosine").defaults()
    False
    """

    dimensions: tuple[Dimension, ...]
    in_trials: tuple[tuple[str, Any], ...] = ()

    def suggest(self, trial: Any) -> dict[str, Any]:
        """Ask an Optuna trial for a value of each setting that matters."""
        params: dict[str, Any] = {}
        for dimension in self.dimensions:
            if dimension.matters(params):
                params[dimension.name] = dimension.suggest(trial)
        return params

    def defaults(self) -> dict[str, Any]:
        """Return the first trial: the default of each setting that matters."""
        params: dict[str, Any] = {}
        for dimension in self.dimensions:
            if dimension.matters(params):
                params[dimension.name] = dimension.default
        return params

    def starting_from(self, params: Mapping[str, Any]) -> "SearchSpace":
        """Return the space whose first trial is the classifier with these arguments, as far as it can vary them."""
        moved = tuple(dimension.starting_from(params.get(dimension.name)) for dimension in self.dimensions)
        return dataclasses.replace(self, dimensions=moved)

    def without(self, **given: Any) -> "SearchSpace":
        """Return the space without settings whose values are given, and without those that these make pointless.

        Parameters
        ----------
        **given
            What the user has decided. The ``make`` of the search must set it; names that are no dimension are let be.
        """
        left: list[Dimension] = []
        for dimension in self.dimensions:
            decided = dimension.when is not None and dimension.when[0] in given
            if dimension.name in given or (decided and not dimension.matters(given)):
                continue
            left.append(dataclasses.replace(dimension, when=None) if decided else dimension)
        if not left:
            raise InputError("every setting is given, so there is nothing to search; leave some out, or the search")
        return dataclasses.replace(self, dimensions=tuple(left))


SETFIT = SearchSpace(
    (
        Dimension("learning_rate", 2e-4, low=2e-5, high=8e-4),
        Dimension("effort", "balanced", ("quick", "balanced", "thorough")),
        Dimension("loss", "contrastive", ("contrastive", "cosine", "triplet")),
        Dimension("temperature", 0.1, low=0.03, high=0.5, when=("loss", "contrastive")),
        Dimension("margin", 0.25, low=0.05, high=1.0, when=("loss", "triplet")),
        # "auto" is logistic regression in trials, as these have no folds of their own to judge heads by.
        Dimension("head", "auto", ("auto", "prototype", "knn", "joint")),
        Dimension("templates", "auto", ("auto", "none", "{}")),
    ),
    in_trials=(("folds", 0),),
)
"""Settings of :class:`~fewshot.classifiers.setfit.SetFitClassifier`."""

SPACES = {"setfit": SETFIT}
"""By the name of the method."""


def find_space(space: str | SearchSpace) -> SearchSpace:
    """Return a space by its method's name; a space is returned as it is.

    Raises
    ------
    InputError
        If the method has no settings to search.

    Examples
    --------
    >>> find_space("setfit") is SETFIT
    True
    """
    if isinstance(space, SearchSpace):
        return space
    if space not in SPACES:
        known = ", ".join(SPACES)
        raise InputError(f"there is nothing to search for {space!r}; known: {known}.{did_you_mean(str(space), SPACES)}")
    return SPACES[space]
