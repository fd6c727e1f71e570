"""Settings from defaults ← file ← flags."""

import dataclasses

import pytest

from fewshot.core.config import read_settings
from fewshot.core.errors import InputError, SourceNotFoundError


@dataclasses.dataclass(frozen=True)
class Run:
    """Settings of a kind each."""

    encoder: str = "bundled"
    seeds: int = 5
    rate: float = 0.1
    quick: bool = False
    slices: tuple[int, ...] = (8,)
    limit: int | None = None


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path):
    """Prevents a flag that is silently ignored because a file names the same setting."""
    (tmp_path / "run.toml").write_text('seeds = 3\nrate = 1\nslices = [8, 16]\nencoder = "mine"\n')
    settings = read_settings(Run, tmp_path / "run.toml", {"seeds": 7, "rate": None, "quick": True})
    assert settings == Run(encoder="mine", seeds=7, rate=1.0, quick=True, slices=(8, 16))
    assert read_settings(Run, None, {}) == Run()


def test_dashes_in_the_file_are_underscores(tmp_path):
    """Prevents refusing a setting written as on the command line."""

    @dataclasses.dataclass(frozen=True)
    class Two:
        two_words: int = 0

    (tmp_path / "run.toml").write_text("two-words = 2\n")
    assert read_settings(Two, tmp_path / "run.toml", {}) == Two(2)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"sedes": 1}, "unknown setting 'sedes'; known: encoder, seeds, .*Did you mean 'seeds'"),
        ({"seeds": "5"}, "'seeds' must be int, got '5'"),
        ({"seeds": True}, "'seeds' must be int, got True"),
        ({"seeds": 1.5}, "'seeds' must be int"),
        ({"quick": 1}, "'quick' must be bool, got 1"),
        ({"slices": 8}, "'slices' must be tuple, got 8"),
        ({"limit": "x"}, "'limit' must be int or NoneType"),
    ],
)
def test_wrong_settings_are_refused(flags, message):
    """Prevents a misspelt setting from leaving its default in force."""
    with pytest.raises(InputError, match=message):
        read_settings(Run, None, flags)


def test_bad_files_are_refused(tmp_path):
    """Prevents a run on defaults because its file was not found or not read."""
    (tmp_path / "bad.toml").write_text("seeds = \n")
    (tmp_path / "latin.toml").write_bytes(b'encoder = "\xf6"\n')
    with pytest.raises(SourceNotFoundError, match="no settings file"):
        read_settings(Run, tmp_path / "none.toml", {})
    for name in ("bad.toml", "latin.toml"):
        with pytest.raises(InputError, match="is not valid TOML"):
            read_settings(Run, tmp_path / name, {})
