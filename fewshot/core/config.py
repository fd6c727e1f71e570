"""Settings of a run: one frozen dataclass, from defaults ← TOML file ← flags, checked once, saved beside the results.

The dataclasses themselves live with the journeys that they describe (``fewshot.recipes``); this module only merges and
checks, so that every verb treats ``--config`` alike.
"""

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from fewshot.core.errors import InputError, SourceNotFoundError, did_you_mean

Settings = TypeVar("Settings")


def read_settings(kind: type[Settings], file: str | Path | None, flags: Mapping[str, Any]) -> Settings:
    """Build a settings object from its defaults, a TOML file and the flags that were given.

    Parameters
    ----------
    kind : type
        A frozen dataclass whose fields all have defaults.
    file : str or Path, optional
        A TOML file with any of the fields at its top level.
    flags : mapping of str to object
        Values that win over the file; ``None`` means "not given".

    Returns
    -------
    object of type ``kind``

    Raises
    ------
    SourceNotFoundError
        If ``file`` is not there.
    InputError
        If the file is not TOML, or names an unknown setting, or a value has the wrong type.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True)
    ... class Run:
    ...     seeds: int = 5
    >>> read_settings(Run, None, {"seeds": 3})
    Run(seeds=3)
    """
    values = {**_read_toml(file), **{name: value for name, value in flags.items() if value is not None}}
    hints = typing.get_type_hints(kind)
    known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in known:
            raise InputError(f"unknown setting {name!r}; known: {', '.join(known)}.{did_you_mean(name, known)}")
        values[name] = _checked(name, value, hints[name])
    return kind(**values)


def change_settings(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """Return settings with some of them changed, as keyword arguments give them; a list or range becomes a tuple.

    Raises
    ------
    InputError
        If there is no setting of such a name.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True)
    ... class Run:
    ...     seeds: int = 5
    >>> change_settings(Run(), {"seeds": 3})
    Run(seeds=3)
    """
    known = sorted(field.name for field in dataclasses.fields(settings))  # type: ignore[arg-type]
    if unknown := sorted(set(changes) - set(known)):
        hint = did_you_mean(unknown[0], known)
        raise InputError(f"unknown settings {', '.join(unknown)}; there are {', '.join(known)}.{hint}")
    values = {name: tuple(value) if isinstance(value, (list, range)) else value for name, value in changes.items()}
    return dataclasses.replace(settings, **values)  # type: ignore[type-var]


def _read_toml(file: str | Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return {name.replace("-", "_"): value for name, value in tomllib.loads(Path(file).read_text("utf-8")).items()}
    except FileNotFoundError:
        raise SourceNotFoundError(f"no settings file {str(file)!r}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"settings file {str(file)!r} is not valid TOML: {error}") from None


def _checked(name: str, value: Any, hint: Any) -> Any:
    if isinstance(value, list):
        value = tuple(value)
    accepted = tuple(typing.get_origin(option) or option for option in _options(hint))
    if isinstance(value, int) and not isinstance(value, bool) and float in accepted:
        value = float(value)
    right = isinstance(value, accepted) and (not isinstance(value, bool) or bool in accepted)
    if not right:
        wanted = " or ".join(option.__name__ for option in accepted)
        raise InputError(f"setting {name!r} must be {wanted}, got {value!r}")
    return value


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
