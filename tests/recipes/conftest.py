"""Speeds are measured in a blink here: what is tested is that they are, and where they stand."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def blink(short_measurements):
    """Take one turn of a few milliseconds."""
