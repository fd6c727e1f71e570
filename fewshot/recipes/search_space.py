"""What a search may change: a learner's settings, where each may lie, and what it is by default."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from fewshot.core.errors import InputError, did_you_mean


@dataclasses.dataclass(frozen=True)
class Dimension:
    """One setting of a search: a choice among values, or a number between two.

    Parameters
    ----------
    name : str
        The learner's argument.
    default : str, int, float, bool or None
        Its value in the first trial, where the learner itself names none. ``None`` with ``around``.
    choices : tuple, optional
        All values that it may take.
    low, high : float, optional
        Instead of ``choices``: the smallest and the largest number. Whole ones where they and the default are.
    when : (str, value) or (str, tuple of values), optional
        Another dimension, declared earlier, and the value or values of it at which this one matters. Otherwise it is
        not set.
    log : bool, default True
        Numbers lie on a logarithmic scale, above 0; else on a linear one, from 0 on.
    around : bool, default False
        ``low`` and ``high`` are multiples of the learner's own value, which :meth:`starting_from` tells.
    means : tuple of (str, value), optional
        Arguments that some of the choices stand for: what is no string or number has a name among them.

    Examples
    --------
    >>> Dimension("margin", 0.25, low=0.1, high=1.0, when=("loss", "triplet")).matters({"loss": "cosine"})
    False
    >>> Dimension("steps", None, low=0.5, high=2, around=True).starting_from(300).high
    600
    """

    name: str
    default: Any
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    when: tuple[str, Any] | None = None
    log: bool = True
    around: bool = False
    means: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if self.choices:
            inside, allowed = self.default in self.choices, str(self.choices)
        elif self.around:
            inside, allowed = self.default is None and 0 < self.low <= 1 <= self.high, "None where they are multiples"
        else:
            inside = self._can_be(self.low) and self.low <= self.default <= self.high
            allowed = f"{self.low} to {self.high}, both {'above 0' if self.log else '0 or more'}"
        if not inside:
            raise InputError(f"the default of {self.name} must be one of its values, {allowed}; got {self.default!r}")

    def _can_be(self, number: float) -> bool:
        return number > 0 or (number == 0 and not self.log)

    def matters(self, params: Mapping[str, Any]) -> bool:
        """Tell whether this setting has any effect beside ``params``."""
        if self.when is None:
            return True
        name, values = self.when
        return name in params and params[name] in (values if isinstance(values, tuple) else (values,))

    def starting_from(self, value: Any) -> "Dimension | None":
        """Return the dimension with another default, wide enough to hold it; ``None`` changes nothing.

        Returns
        -------
        Dimension or None
            ``None`` if the value cannot be one of a search, such as an object or a list: it is better left as it is.
        """
        if value is None:
            return self
        if self.choices:
            return self._choosing(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self._can_be(value):
            return None
        low, high = (self.low * value, self.high * value) if self.around else (self.low, self.high)
        if isinstance(value, int) and self.around:
            low, high = max(1, round(low)), round(high)
        low, high = min(low, value), max(high, value)
        return dataclasses.replace(self, default=value, low=low, high=high, around=False)

    def _choosing(self, value: Any) -> "Dimension | None":
        named = [name for name, meant in self.means if meant == value]
        if named or value in self.choices:
            return dataclasses.replace(self, default=named[0] if named else value)
        if not isinstance(value, (str, int, float)):
            return None
        return dataclasses.replace(self, default=value, choices=(value, *self.choices))

    def suggest(self, trial: Any) -> Any:
        """Ask an Optuna trial for a value."""
        if self.choices:
            return trial.suggest_categorical(self.name, self.choices)
        numbers = (self.low, self.high, self.default)
        if all(isinstance(number, int) for number in numbers):
            return trial.suggest_int(self.name, self.low, self.high, log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)

    def argument(self, value: Any) -> Any:
        """Return what a value stands for."""
        return dict(self.means).get(value, value) if isinstance(value, str) else value


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """The settings that a search varies.

    Parameters
    ----------
    dimensions : tuple of Dimension
    in_trials : tuple of (str, value)
        Further arguments of the learner, for trials alone: what makes them faster and is not searched.

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

    def arguments(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the settings of a trial stand for: the learner's arguments."""
        by_name = {dimension.name: dimension for dimension in self.dimensions}
        return {name: by_name[name].argument(value) for name, value in params.items()}

    def defaults(self) -> dict[str, Any]:
        """Return the first trial: the default of each setting that matters."""
        params: dict[str, Any] = {}
        for dimension in self.dimensions:
            if dimension.matters(params):
                params[dimension.name] = dimension.default
        return params

    def starting_from(self, params: Mapping[str, Any]) -> "SearchSpace":
        """Return the space whose first trial is the learner with these arguments.

        An argument that no trial could have, such as a list where the choices are strings, is left as it is: its
        dimension goes.
        """
        moved = {dimension.name: dimension.starting_from(params.get(dimension.name)) for dimension in self.dimensions}
        space = dataclasses.replace(self, dimensions=tuple(kept for kept in moved.values() if kept is not None))
        fixed = {name: params[name] for name, kept in moved.items() if kept is None}
        return space.without(**fixed) if fixed else space

    def varying(self, **choices: Sequence[Any]) -> "SearchSpace":
        """Return the space with further settings, each a choice among values, the first of them the default.

        Examples
        --------
        >>> SETFIT.varying(encoder=("small", "large")).defaults()["encoder"]
        'small'
        """
        more = tuple(Dimension(name, values[0], tuple(dict.fromkeys(values))) for name, values in choices.items())
        return dataclasses.replace(self, dimensions=(*more, *self.dimensions))

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

FINE_TUNE = SearchSpace(
    (
        Dimension("learning_rate", 1e-4, low=1e-5, high=1e-3),
        Dimension("epochs", None, (None, 5, 10, 40)),
        Dimension("layer_decay", 1.0, (1.0, 0.95, 0.9, 0.8)),
    ),
    in_trials=(("folds", 0),),
)
"""Settings of :class:`~fewshot.classifiers.finetune.FineTunedClassifier`."""

SPACES = {"setfit": SETFIT, "fine-tune": FINE_TUNE}
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
