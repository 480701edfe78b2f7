"""What all tests share: a seeded generator, and property tests that try the same cases on every run."""

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("pyrnn", derandomize=True, deadline=None, database=None)
settings.load_profile("pyrnn")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20150806)
