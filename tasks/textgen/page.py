"""The page that shows what the units of a character model do: page.html with its style, its script and its data in it.

Letters: T characters that are shown, H units, F features, V symbols.
"""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import pyrnn
from pyrnn.text import Vocabulary

from .activations import LayerReading, Reading, read
from .features import correlations, features

Floats = npt.NDArray[np.float64]

LIKELIEST = 5
MOST_BITS = 150.0  # float32's smallest number is 2 ** -149: for those that it has no probability for


def write_page(
    model: pyrnn.Sequential, vocabulary: Vocabulary, text: str, path: Path, first: int = 0, about: str = ""
) -> int:
    """Write the page at `path` for a text that is shown from text[first] on; returns its size in bytes.

    `about` is a line of the page that says where the text comes from. Raises ValueError as `activations.read` does, for
    characters that the vocabulary has not, and for values that are not finite; OSError where it cannot be written.
    """
    reading = read(model, vocabulary.encode(text), first)
    data = json.dumps({"about": about, **payload(reading, vocabulary, text, first)}, separators=(",", ":"))
    page = _template("page.html")
    for mark, content in {
        "/*STYLE*/": _template("page.css"),
        "/*SCRIPT*/": _template("page.js"),
        "/*DATA*/": script_safe(data),  # last, so that no mark in a text is taken for one of these
    }.items():
        page = page.replace(mark, content)
    return path.write_bytes(page.encode("utf-8"))


def _template(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def script_safe(data: str) -> str:
    """JSON that cannot end a script element: json.dumps has made it ASCII, and "<" stands in its strings alone.

    >>> script_safe(json.dumps("</script>"))
    '"\\\\u003c/script>"'
    """
    return data.replace("<", "\\u003c")


def payload(reading: Reading, vocabulary: Vocabulary, text: str, first: int) -> dict[str, Any]:
    """What page.js reads, as JSON has it."""
    columns = {name: column[first:] for name, column in features(text).items()}
    columns = {name: column for name, column in columns.items() if np.ptp(column)}
    of_features = np.array([*columns.values()]).reshape(len(columns), len(reading.p))  # [F, T], also where F is 0
    likeliest = np.argsort(-reading.p, axis=1, kind="stable")[:, :LIKELIEST]
    bits = np.minimum(reading.bits, MOST_BITS).round(3)
    return {
        "symbols": list(vocabulary.symbols),
        "ids": vocabulary.encode(text[first:]).tolist(),
        "lead": first,
        "bits": [None if np.isnan(value) else value for value in bits.tolist()],
        "likeliest": likeliest.tolist(),
        "p": np.take_along_axis(reading.p, likeliest, axis=1).round(4).tolist(),
        "features": [{"name": name, **quantized(column[:, None])} for name, column in columns.items()],
        "layers": [_layer(layer, of_features) for layer in reading.layers],
    }


def _layer(reading: LayerReading, of_features: Floats) -> dict[str, Any]:
    values = [
        {
            "key": value.key,
            "name": value.name,
            "centre": value.centre,
            "r": correlations(value.steps, of_features).round(3).tolist(),
            **quantized(value.steps),
        }
        for value in reading.values
    ]
    return {"name": reading.layer.name, "cell": type(reading.layer).__name__, "values": values}


def quantized(steps: Floats) -> dict[str, Any]:
    """Values [T, H] in a byte each, unit by unit: low + byte / 255 (high - low), off by (high - low) / 510 at most.

    Raises ValueError for values that are not finite.

    >>> quantized(np.array([[0.0], [0.5], [1.0]]))
    {'low': [0.0], 'high': [1.0], 'bytes': 'AID/'}
    """
    if not np.isfinite(steps).all():
        raise ValueError("quantized: the model's values must be finite, got NaN or infinity")
    low, high = ([float(f"{value:.6g}") for value in ends] for ends in (steps.min(axis=0), steps.max(axis=0)))
    span = np.array(high) - low
    levels = np.divide(255 * (steps - low), span, out=np.zeros(steps.shape), where=span > 0)
    data = levels.round().clip(0, 255).astype(np.uint8)
    return {"low": low, "high": high, "bytes": base64.b64encode(data.T.tobytes()).decode("ascii")}
