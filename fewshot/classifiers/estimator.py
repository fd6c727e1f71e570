"""scikit-learn's habits without scikit-learn: it is imported when it, or a notebook, asks for them.

Importing ``sklearn.base`` takes most of a cold start and brings SciPy and pandas along; a model that only predicts
needs none of them. So classifiers do not descend from ``BaseEstimator``. What ``clone``, pipelines, searches and
cross-validation call is here or is taken from there at that moment. ``isinstance(classifier, BaseEstimator)`` is the
one thing that does not hold; ``sklearn.base.is_classifier`` does.
"""

import functools
import inspect
import sys
from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar, Self

from fewshot.core.errors import InputError


class Estimator(ABC):  # noqa: B024 - what is abstract of a classifier its heirs say
    """Base of classifiers that scikit-learn takes for its own.

    Examples
    --------
    >>> class Constant(Estimator):
    ...     def __init__(self, label="a", times=1):
    ...         self.label, self.times = label, times
    >>> Constant("b"), Constant("b").get_params()
    (Constant(label='b'), {'label': 'b', 'times': 1})
    """

    _estimator_type: ClassVar[str] = "classifier"

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return sorted(cls._defaults())

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """Return the arguments of the constructor and what each is if it is not given."""
        arguments = inspect.signature(cls.__init__).parameters.values()
        return {one.name: one.default for one in arguments if one.name != "self" and one.kind != one.VAR_KEYWORD}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments of the constructor by name.

        Parameters
        ----------
        deep : bool, default=True
            Also the arguments of arguments that have such themselves, as ``name__theirs``.
        """
        params: dict[str, Any] = {}
        for name in self._get_param_names():
            value = getattr(self, name)
            if deep and hasattr(value, "get_params") and not isinstance(value, type):
                params |= {f"{name}__{inner}": one for inner, one in value.get_params().items()}
            params[name] = value
        return params

    def set_params(self, **params: Any) -> Self:
        """Set arguments of the constructor by name; ``name__theirs`` are those of an argument."""
        from sklearn.base import BaseEstimator

        return BaseEstimator.set_params(self, **params)

    def __repr__(self) -> str:
        defaults, params = self._defaults(), self.get_params(deep=False)
        told = [f"{name}={value!r}" for name, value in params.items() if repr(value) != repr(defaults[name])]
        return f"{type(self).__name__}({', '.join(told)})"

    def __sklearn_tags__(self) -> Any:
        from sklearn.base import BaseEstimator
        from sklearn.utils import ClassifierTags

        tags = BaseEstimator.__sklearn_tags__(self)
        tags.estimator_type, tags.classifier_tags, tags.target_tags.required = "classifier", ClassifierTags(), True
        return tags

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        """Return how notebooks show it: as scikit-learn draws its own, where that is installed."""
        try:
            from sklearn.base import BaseEstimator
        except ImportError:
            return {"text/plain": repr(self)}
        return BaseEstimator._repr_mimebundle_(self, **options)

    if not TYPE_CHECKING:  # it would tell a type checker that every name is there

        def __getattr__(self, name: str) -> Any:
            """Take what is scikit-learn's own, such as metadata routing, from there; only it asks for that."""
            missing = object()
            found = missing
            if "sklearn.base" in sys.modules and not name.startswith("__"):
                found = inspect.getattr_static(_in_sklearn(type(self)), name, missing)
            if found is missing:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            return found.__get__(self, _in_sklearn(type(self))) if hasattr(found, "__get__") else found


@functools.cache
def _in_sklearn(kind: type) -> type:
    """Return ``kind`` as a class of scikit-learn's; no object is made of it."""
    from sklearn.base import BaseEstimator

    return type(kind.__name__, (kind, BaseEstimator), {"__module__": kind.__module__, "__doc__": kind.__doc__})


def not_fitted(message: str) -> Exception:
    """Return scikit-learn's ``NotFittedError``; where that is not installed, an error of ours.

    Examples
    --------
    >>> raise not_fitted("call fit first")
    Traceback (most recent call last):
    ...
    sklearn.exceptions.NotFittedError: call fit first
    """
    try:
        from sklearn.exceptions import NotFittedError
    except ImportError:
        return InputError(message)
    return NotFittedError(message)
