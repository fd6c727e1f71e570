"""Hearing which stages of a fit are trained."""

from types import ModuleType
from typing import Any

import pytest


def listen(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[str]:
    """Return a list that grows by the name of a stage whenever the module's function ``name`` trains it."""
    stages: list[str] = []
    train = getattr(module, name)

    def listening(*args: Any, **options: Any) -> Any:
        stages.append(options["checkpoints"].name)
        return train(*args, **options)

    monkeypatch.setattr(module, name, listening)
    return stages
