"""What a run left: a network, and what is needed to use it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrnn
from pyrnn.text import Vocabulary, Words

from .._console import RunFailed
from .recipes import RECIPES, Way
from .texts import Symbols


@dataclass(frozen=True)
class Trained:
    """The network that a run kept, the vocabulary whose ids it reads, and the run's arguments, as `vars` of its settings.

    `lower` tells whether it has seen lower case alone; `prepared` makes any text like those that it learnt from. `opening` is
    a piece of text to begin with.
    """

    model: pyrnn.Sequential
    vocabulary: Symbols
    arguments: dict[str, Any]
    lower: bool
    opening: str

    @property
    def way(self) -> Way:
        return RECIPES[self.arguments["recipe"]].way

    @property
    def window(self) -> int:
        return int(self.arguments["window"])

    def prepared(self, text: str) -> str:
        return text.lower() if self.lower else text


def trained(folder: Path) -> Trained:
    """What the run in `folder` kept. Raises RunFailed where there is none, or one of another task or an older version."""
    path, config = folder / "model.safetensors", folder / "config.json"
    try:
        model = pyrnn.load_model(path)
        told = json.loads(config.read_text(encoding="utf-8"))
        symbols, lower = told["vocabulary"]["symbols"], told["vocabulary"]["lower"]
        vocabulary = Words(symbols) if told["vocabulary"]["level"] == "word" else Vocabulary(symbols)
        found = Trained(model, vocabulary, told["arguments"], bool(lower), told["opening"])
        _ = found.way, found.window
    except (FileNotFoundError, NotADirectoryError) as error:
        missing = "--model names another folder, and python -m tasks.textgen trains a network"
        raise RunFailed(f"no trained network: {error.filename or path} is missing; {missing}") from error
    except (KeyError, TypeError) as error:
        wanted = "is not that of a textgen run, or of an older one, which must be trained again"
        raise RunFailed(f"{config} {wanted}: it has no {error}") from error
    except (OSError, ValueError) as error:
        raise RunFailed(f"{folder} cannot be read: {error}") from error
    size = len(found.vocabulary)
    if model.output_shape[-1] != size or model.layers[0].get_weights()[0].shape[0] != size:
        raise RunFailed(f"{path} is not the network that {config} tells of")
    return found
