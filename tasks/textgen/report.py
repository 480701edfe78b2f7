"""What a run of the text task tells: the judgement of each epoch, and what the network writes."""

import argparse
import math

import numpy as np

import pyrnn
from pyrnn.text import Vocabulary, generate_batch

from .._run import Run
from . import corpus
from .recipes import RECIPES
from .streams import bits_per_character
from .texts import Ids


class Writer(Run):
    """After each epoch: bits per character on the held-out text, and what the network writes from a random seed.

    All are judged alike, by one pass over the text from its beginning (`val_bpc`), windows also by windows (`val_window_bpc`). The
    model of the fewest bits is kept, of Keras' recipe the last.
    """

    def __init__(
        self,
        model: pyrnn.Sequential,
        args: argparse.Namespace,
        text: corpus.Corpus,
        ids: Ids,
        vocabulary: Vocabulary,
        held_out: int,
    ) -> None:
        """`held_out`: the first of the ids that are not trained on."""
        data = f"{text.name}: {len(ids):,} characters, {len(vocabulary)} symbols"
        facts = {"name": text.name, "source": text.source, "sha256": text.sha256}
        super().__init__(
            model,
            args,
            data,
            corpus={**facts, "characters": len(ids), "symbols": len(vocabulary)},
            vocabulary={"level": "character", "lower": args.lower, "symbols": vocabulary.symbols},
        )
        self.ids, self.vocabulary, self.held_out = ids, vocabulary, held_out
        self.way = RECIPES[args.recipe].way
        self.rng = np.random.default_rng(args.seed)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._stop_clock()
        values = dict(logs or {})
        if "val_loss" in values:
            values["val_window_bpc"] = values["val_loss"] / math.log(2)
        if self.settings.holdout:
            values["val_bpc"] = bits_per_character(self.model, self.ids, self.held_out)
        best = min([row["val_bpc"] for row in self.rows if "val_bpc" in row], default=math.inf)
        better = values.get("val_bpc", -math.inf) < best
        self.record(epoch, values, keep=better or self.way.keep == "last")
        if not self.settings.quiet:
            self.show(epoch)

    def show(self, epoch: int) -> None:
        start = int(self.rng.integers(len(self.ids) - self.settings.window))
        prompt = self.vocabulary.decode(self.ids[start : start + self.settings.window])
        print(f"----- Generating text after Epoch: {epoch + 1}")
        diversities, seed = self.settings.diversity, int(self.rng.integers(2**32))
        texts = generate_batch(
            self.model, self.vocabulary, prompt, self.settings.length, diversities, seed=seed, mode=self.way.mode
        )
        for diversity, text in zip(diversities, texts, strict=True):
            print(f"----- diversity: {diversity:g}")
            print(f'----- Generating with seed: "{prompt}"')
            print(prompt + text)
            print(flush=True)
