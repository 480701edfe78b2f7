"""Text that a model writes, per character, all of Python's part included: LSTM(128), Dense(57), one thread.

The promise is 4 us a character in stateful mode.
"""

import os
from collections import deque

import pytest

import pyrnn
from pyrnn import layers
from pyrnn.text import Vocabulary, generate, generate_batch

VOCABULARY = Vocabulary("".join(map(chr, range(40, 97))))
WAYS = {
    "stateful": {},
    "likeliest": {"temperature": 0.0},
    "top_k 10": {"top_k": 10},
    "top_p 0.9": {"top_p": 0.9},
    "window of 40": {"mode": "window", "window": 40},
}


@pytest.mark.parametrize("way", WAYS)
def test_generate(way, benchmark):
    pyrnn.utils.set_random_seed(1)
    model = pyrnn.Sequential([pyrnn.Input((None, 57)), layers.LSTM(128), layers.Dense(57, activation="softmax")])
    options = {"prompt": "PROMPT", "length": 500 if "window" in way else 10_000, "seed": 2, **WAYS[way]}
    pyrnn.set_num_threads(1)
    try:
        text = "".join(generate(model, VOCABULARY, **options))
        assert len(text) == options["length"]
        assert [text] == generate_batch(model, VOCABULARY, [options.pop("prompt")], **options)
        benchmark.group = "generate"
        benchmark.extra_info |= {**pyrnn.cpu_info(), "characters": len(text), "load": os.getloadavg()[0]}
        benchmark(lambda: deque(generate(model, VOCABULARY, "PROMPT", **options), maxlen=0))
    finally:
        pyrnn.set_num_threads(0)
