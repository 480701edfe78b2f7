"""The text codec, in characters per second: building a vocabulary, encoding and decoding.

The promise is 300 million a second for Latin text.
"""

import numpy as np
import pytest

from pyrnn.text import Vocabulary

TEXTS = {
    "latin": "Supposing that Truth is a woman, what then? " * 500_000,
    "greek": "Ἐν ἀρχῇ ἦν ὁ λόγος, καὶ ὁ λόγος ἦν. " * 500_000,
    "emoji": "Supposing that 🦉 is a woman, what then? " * 500_000,
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("work", ["build", "encode", "decode"])
def test_codec(benchmark, work, text):
    characters = TEXTS[text]
    vocabulary = Vocabulary.from_text(characters)
    ids = vocabulary.encode(characters)
    assert vocabulary.decode(ids) == characters and ids.dtype == np.uint8
    benchmark.group = f"codec {work}"
    benchmark.extra_info["characters"] = len(characters)
    run = {"build": Vocabulary.from_text, "encode": vocabulary.encode, "decode": vocabulary.decode}[work]
    benchmark(run, ids if work == "decode" else characters)
