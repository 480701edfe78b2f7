"""What a network finds hard about sums: its answers by the number of carries, as a table, a file and a picture."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .._curves import new_figure, restyle
from .sums import Numbers


class Table:
    """One row for each number of carries that occurs; `right` [N, characters] says which symbols are as they should be.

    >>> print(Table(np.array([0, 1, 0]), np.array([[True, True], [True, False], [True, True]])))
    carries    sums  exact match  accuracy per character
          0       2       1.0000                  1.0000
          1       1       0.0000                  0.5000
    """

    def __init__(self, carries: Numbers, right: npt.NDArray[np.bool_]) -> None:
        self.rows: list[dict[str, int | float]] = [
            {
                "carries": int(count),
                "sums": int(own.sum()),
                "exact": float(right[own].all(axis=1).mean()),
                "per_character": float(right[own].mean()),
            }
            for count in np.unique(carries)
            for own in [carries == count]
        ]

    def __str__(self) -> str:
        head = "carries    sums  exact match  accuracy per character"
        lines = [
            f"{row['carries']:7}{row['sums']:8,}{row['exact']:13.4f}{row['per_character']:24.4f}" for row in self.rows
        ]
        return "\n".join([head, *lines])

    def write(self, folder: Path) -> None:
        """carries.json, and carries.png if matplotlib is there to draw it."""
        (folder / "carries.json").write_text(json.dumps(self.rows, indent=2) + "\n", encoding="utf-8")
        figure = new_figure("carries.png", max(6, 1 + 1.1 * len(self.rows)), 4)
        if figure is None:
            return
        axes = figure.subplots()
        labels = [f"{row['carries']}\n{row['sums']:,} sums" for row in self.rows]
        for place, (name, label) in enumerate({"exact": "exact match", "per_character": "per character"}.items()):
            at = np.arange(len(self.rows)) + 0.4 * place - 0.2
            bars = axes.bar(at, [row[name] for row in self.rows], 0.38, label=label)
            axes.bar_label(bars, fmt="%.3f", fontsize="small")
        axes.set(xlabel="carries", ylabel="share that is right", ylim=(0, 1.1))
        axes.set_xticks(range(len(labels)), labels)
        axes.set_yticks(np.linspace(0, 1, 6))
        axes.grid(axis="y", alpha=0.3)
        figure.legend(loc="outside upper center", ncols=2)
        restyle(figure)
        figure.savefig(folder / "carries.png", dpi=120)
