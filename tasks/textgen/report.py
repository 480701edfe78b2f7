"""What a run of the text task tells: the judgement of each epoch, and what the network writes."""

import argparse
import json
import math
from typing import Any

import numpy as np

import pyrnn
from pyrnn.text import generate_batch

from .._run import Run
from .._samples import fenced
from . import corpus
from .recipes import RECIPES
from .scores import by_windows, one_pass
from .texts import Text


class Writer(Run):
    """After each epoch: bits per character on the held-out text, and what the network writes from a random seed.

    All are judged alike, by one pass over the text from its beginning (`val_bpc`, and `per_character`, how often the likeliest
    came), and by windows (`val_window_bpc`), those that do not learn from windows at the end of the run alone. The model of the
    fewest bits is kept, of Keras' recipe the last.
    """

    bits = True

    def __init__(
        self,
        model: pyrnn.Sequential,
        args: argparse.Namespace,
        source: corpus.Corpus,
        text: Text,
        held_out: int,
    ) -> None:
        """`held_out`: the first of the ids that are not trained on."""
        ids, vocabulary = text.ids, text.vocabulary
        data = f"{source.name}: {len(ids):,} {text.unit}, {len(vocabulary):,} symbols"
        if args.level == "word":
            data += f", {np.count_nonzero(ids == 0):,} unknown"
        facts = {"name": source.name, "source": source.source, "sha256": text.sha256}
        super().__init__(
            model,
            args,
            data,
            corpus={**facts, "characters": text.characters(), "symbols": len(vocabulary)},
            vocabulary={"level": args.level, "lower": args.lower, "symbols": vocabulary.symbols},
            opening=vocabulary.decode(ids[held_out if args.holdout else 0 :][: args.window]),
        )
        self.text, self.ids, self.vocabulary, self.held_out = text, ids, vocabulary, held_out
        self.way = RECIPES[args.recipe].way
        self.rng = np.random.default_rng(args.seed)

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "random": self.rng.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self.rng.bit_generator.state = state["random"]

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._stop_clock()
        values = dict(logs or {})
        if "val_loss" in values:
            values["val_window_bpc"] = self._per_character(values["val_loss"] / math.log(2))
        if self.settings.holdout:
            scores = one_pass(self.model, self.ids, self.held_out)
            values["val_bpc"], values["per_character"] = self._per_character(scores.bits), scores.accuracy
        best = min([row["val_bpc"] for row in self.rows if "val_bpc" in row], default=math.inf)
        better = values.get("val_bpc", -math.inf) < best
        self.record(epoch, values, keep=better or self.way.keep == "last")
        if not self.settings.quiet and "val_bpc" in values:
            print(f"{values['val_bpc']:.4f} bits per character on held-out text")
        prompt, texts = self.samples()
        named = [(f"Diversity {diversity:g}:", fenced(text)) for diversity, text in texts]
        self.keep_samples(epoch, "Prompt:", fenced(prompt), *(block for pair in named for block in pair))
        if not self.settings.quiet:
            self.show(epoch, prompt, texts)

    def result(self) -> dict[str, float]:
        """The figures of the best epoch, by one pass, which stand in result.json too; without held-out text, of the last."""
        judged = [row for row in self.rows if "val_bpc" in row]
        best = min(judged, key=lambda row: row["val_bpc"], default=self.rows[-1])
        values: dict[str, float] = {
            name: best[name] for name in ("epoch", "seconds", "loss", "val_bpc") if name in best
        }
        if judged:
            values["val_window_bpc"] = best.get("val_window_bpc") or self._window_bpc()
        (self.folder / "result.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        return values

    def _window_bpc(self) -> float:
        """Of the kept model, once: it takes longer than an epoch of streams."""
        kept = pyrnn.load_model(self.model_file)
        return self._per_character(by_windows(kept, self.ids[self.held_out :], self.settings.window).bits)

    def _per_character(self, bits: float) -> float:
        return self.text.bits_per_character(bits, self.held_out)

    def samples(self) -> tuple[str, list[tuple[float, str]]]:
        """A prompt out of the text, and at each diversity what follows it."""
        start = int(self.rng.integers(len(self.ids) - self.settings.window))
        prompt = self.vocabulary.decode(self.ids[start : start + self.settings.window])
        diversities, seed = self.settings.diversity, int(self.rng.integers(2**32))
        texts = generate_batch(
            self.model, self.vocabulary, prompt, self.settings.length, diversities, seed=seed, mode=self.way.mode
        )
        return prompt, list(zip(diversities, texts, strict=True))

    def show(self, epoch: int, prompt: str, texts: list[tuple[float, str]]) -> None:
        print(f"----- Generating text after Epoch: {epoch + 1}")
        for diversity, text in texts:
            print(f"----- diversity: {diversity:g}")
            print(f'----- Generating with seed: "{prompt}"')
            print(prompt + text)
            print(flush=True)
