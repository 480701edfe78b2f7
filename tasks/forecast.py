"""A network learns to forecast a series: it reads a window of the past and writes all steps of the horizon at once.

The last part of the series is kept for the test, where the network stands beside the seasonal naive forecast (what was
there a season ago) and, for the series that the task generates itself, beside the best that any forecast can do.

    python -m tasks.forecast
    python -m tasks.forecast --csv sales.csv --column units --horizon 12

Letters: N windows, W values in a window, H steps of the horizon.
"""

import argparse
import csv
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import pyrnn
from pyrnn import layers, optimizers
from pyrnn.callbacks import EarlyStopping

from . import _console, _options, series
from ._run import Run, new_figure
from .series import Errors, Origins, Parts, Scaling, Series, SeriesError, Values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLIP = 1.0  # of the gradient, whose rare jumps over so many steps would throw the weights back by epochs
WEEKS = 104  # of the generated series
ONLY_CSV: dict[str, str | None] = {"column": None, "delimiter": ",", "missing": "refuse"}
METRICS = {"MAE": "mae", "RMSE": "rmse", "MASE": "mase"}
LOOKS: dict[str, dict[str, Any]] = {
    "model": {"label": "forecast", "color": "tab:blue", "linewidth": 1.8},
    "naive": {"label": "seasonal naive", "color": "tab:orange", "linewidth": 1.2, "linestyle": "--"},
    "best": {"label": "best possible", "color": "tab:green", "linewidth": 1.2},
}


def settings(argv: list[str] | None) -> argparse.Namespace:
    options = _options.parser(f"{__package__}.forecast", "A network learns to forecast a series.", epochs=40, lr=0.002)
    options.set_defaults(hidden=32, batch=32, csv=None, season=None, window=None, weeks=None, **dict.fromkeys(ONLY_CSV))
    share = _options.real("a number between 0 and 1", lambda number: 0 < number < 1)
    data = options.add_argument_group("series")
    data.add_argument(
        "--csv", metavar="FILE", help="with names in its first line, rows in order of time", default=argparse.SUPPRESS
    )
    data.add_argument("--column", metavar="NAME", help="to forecast (default: the only one)", default=argparse.SUPPRESS)
    data.add_argument(
        "--delimiter", type=_character, metavar="C", help="between fields (default: a comma)", default=argparse.SUPPRESS
    )
    missing = "values: refuse them, or draw a line between their neighbours (default: refuse)"
    data.add_argument("--missing", choices=["refuse", "interpolate"], help=missing, default=argparse.SUPPRESS)
    weeks = f"of the series that is generated without --csv (default: {WEEKS})"
    data.add_argument("--weeks", type=_options.whole(2), metavar="N", help=weeks, default=argparse.SUPPRESS)
    season = "values from one season to the next (default: guessed from the autocorrelation)"
    data.add_argument("--season", type=_options.whole(1), metavar="N", help=season, default=argparse.SUPPRESS)
    data.add_argument(
        "--validation", type=share, default=0.15, metavar="SHARE", help="before the test, to know when to stop"
    )
    data.add_argument("--test", type=share, default=0.15, metavar="SHARE", help="at the end")

    task = options.add_argument_group("forecast")
    task.add_argument("--horizon", type=_options.whole(1), default=24, metavar="N", help="steps to forecast")
    window = "values to read (default: whole seasons, 24 values and the horizon at least)"
    task.add_argument("--window", type=_options.whole(1), metavar="N", help=window, default=argparse.SUPPRESS)
    task.add_argument("--patience", type=_options.whole(1), default=6, metavar="N", help="epochs without a better one")
    task.add_argument("--plot", action=argparse.BooleanOptionalAction, default=True, help="forecast.png")

    args = options.parse_args(argv)
    if args.validation + args.test >= 1:
        options.error(f"--validation {args.validation:g} and --test {args.test:g} leave nothing to train on")
    _settle_source(options, args)
    return args


def _character(text: str) -> str:
    text = text.replace("\\t", "\t")
    if len(text) != 1 or text in '"\r\n':
        raise argparse.ArgumentTypeError(f"must be one character, or \\t for a tab, got {text!r}")
    return text


def _settle_source(options: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse what the source of the series has no use for, and fill in the rest."""
    sources: dict[str, dict[str, Any]] = {"the generated series": {"weeks": WEEKS}, "--csv": {**ONLY_CSV}}
    source = "the generated series" if args.csv is None else "--csv"
    for other in sources.keys() - {source}:
        for name in sources[other]:
            if getattr(args, name) is not None:
                options.error(f"argument --{name}: is for {other} only")
    for name, default in sources[source].items():
        if getattr(args, name) is None:
            setattr(args, name, default)


# -- data ---------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """A series with all that is settled before a network is: nothing here comes from the test part."""

    series: Series
    parts: Parts
    season: int
    window: int
    horizon: int
    scaling: Scaling
    naive_error: float
    origins: dict[str, Origins]

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Problem":
        if args.csv is not None:
            found = series.read_csv(args.csv, args.column, args.delimiter, args.missing == "interpolate")
        else:
            found = series.generate(args.weeks, args.seed)
        parts = Parts.of(len(found.values), args.validation, args.test)
        training = found.values[: parts.train]
        season = args.season or series.guess_season(training)
        window = args.window or -(-max(24, args.horizon) // season) * season
        origins = parts.origins(window, args.horizon)
        scaling = Scaling.fit(training)
        error = series.naive_error(training, season)
        return cls(found, parts, season, window, args.horizon, scaling, error, origins)

    def samples(self, part: str) -> tuple[Values, Values]:
        """What the network reads [N, W, 1] and is to say [N, H] for each origin of the part."""
        x, level = self.read(self.origins[part])
        return x, self.scaling.targets(self.truth(part), level)

    def read(self, origins: Origins) -> tuple[Values, Values]:
        x, level = self.scaling.read(series.before(self.series.values, origins, self.window))
        return x[:, :, None], level

    def truth(self, part: str) -> Values:
        return series.ahead(self.series.values, self.origins[part], self.horizon)

    def forecasts(self, model: pyrnn.Sequential, origins: Origins) -> dict[str, Values]:
        """By name the forecasts [N, H] from these origins, of which the last may be the end of the series."""
        x, level = self.read(origins)
        found = {"model": self.scaling.write(model.predict(x, verbose=0), level)}
        found["naive"] = series.seasonal_naive(self.series.values, origins, self.horizon, self.season)
        return found

    def tested(self, model: pyrnn.Sequential) -> dict[str, Values]:
        """By name the forecasts [N, H] of the test part, the best possible ones too where they are known."""
        found = self.forecasts(model, self.origins["test"])
        best = self.series.best(self.origins["test"], self.horizon)
        return found if best is None else {**found, "best": best}

    def errors(self, forecasts: dict[str, Values]) -> dict[str, Errors]:
        truth = self.truth("test")
        return {name: Errors.of(values, truth, self.naive_error) for name, values in forecasts.items()}


# -- model --------------------------------------------------------------------


def build(window: int, horizon: int, cell: str, hidden: int, depth: int) -> pyrnn.Sequential:
    """Windows [N, W, 1] -> all steps at once [N, H]."""
    model = pyrnn.Sequential([pyrnn.Input((window, 1))])
    for _ in range(depth - 1):
        model.add(_options.CELLS[cell](hidden, return_sequences=True))
    model.add(_options.CELLS[cell](hidden))
    model.add(layers.Dense(horizon))
    return model


# -- report -------------------------------------------------------------------


class Forecaster(Run):
    """Keeps each epoch, and at the end the best model, its forecasts and their errors."""

    def __init__(
        self, model: pyrnn.Sequential, args: argparse.Namespace, problem: Problem, early: EarlyStopping
    ) -> None:
        sizes = {part: len(origins) for part, origins in problem.origins.items()}
        guessed = "" if args.season else " (guessed)"
        data = (
            f"{problem.series.name}: {problem.parts.length:,} values, season {problem.season}{guessed}, windows of "
            f"{problem.window}: " + ", ".join(f"{size:,} to {part}" for part, size in sizes.items())
        )
        facts = {"season": problem.season, "window": problem.window, "deviation": problem.scaling.deviation}
        super().__init__(model, args, data, series={"name": problem.series.name, **facts, "windows": sizes})
        self.problem, self.early = problem, early

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.record(epoch, dict(logs or {}))

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """EarlyStopping, which comes before, has restored the best weights."""
        self.model.save(self.model_file)
        super().on_train_end(logs)

    def stopped(self) -> int:
        if self.early.best_weights is not None:
            self.model.set_weights(self.early.best_weights)
        return super().stopped()

    def write(self, errors: dict[str, Errors]) -> None:
        """errors.csv, a line for each step of the horizon, and forecast.csv, what comes after the end of the series."""
        columns = {
            f"{title} {name}": getattr(of_name, metric)
            for name, of_name in errors.items()
            for title, metric in METRICS.items()
        }
        steps = [*range(1, self.problem.horizon + 1), "all"]
        self._table("errors.csv", ["step", *columns], zip(steps, *columns.values(), strict=True))
        future = self.problem.forecasts(self.model, np.array([self.problem.parts.length]))
        rows = zip(steps[:-1], *(values[0] for values in future.values()), strict=True)
        self._table("forecast.csv", ["step", *future], rows)

    def _table(self, name: str, header: list[str], rows: Iterator[tuple[object, ...]]) -> None:
        with open(self.folder / name, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *([step, *values] for step, *values in rows)])

    def draw(self) -> None:
        if self.settings.plot and (figure := new_figure("forecast.png", 12, 7.5)) is not None:
            draw(figure, self)
            figure.savefig(self.folder / "forecast.png", dpi=120)


def table(errors: dict[str, Errors], unit: str) -> str:
    """The errors of all steps of the horizon, or of about twelve where there are more, and those of all together."""
    horizon = len(errors["model"].mae) - 1
    every = -(-horizon // 12)
    steps = sorted({1, horizon, *range(every, horizon + 1, every)})
    width = 8 * len(errors)
    titles = [title if title == "MASE" or not unit else f"{title}, {unit}" for title in METRICS]
    lines = [" " * 5 + "".join(f"{title:>{width}}" for title in titles)]
    lines.append(" step" + "".join(f"{name:>8}" for name in errors) * len(METRICS))
    for label, row in [*((str(step), step - 1) for step in steps), ("all", -1)]:
        line = f"{label:>5}"
        for metric in METRICS.values():
            cells = [getattr(of_name, metric) for of_name in errors.values()]
            form = cell_format(float(np.max(cells)))
            line += "".join(f"{cell[row]:{form}}" for cell in cells)
        lines.append(line)
    return "\n".join(lines)


def cell_format(largest: float) -> str:
    """For a column whose largest number is this one: four places where they fit.

    >>> [format(number, cell_format(number)) for number in (0.01234, 12.345, 123456.0, 1e-9)]
    [' 0.01234', '   12.35', '  123456', ' 1.0e-09']
    """
    if largest and not 1e-3 <= largest < 1e7:
        return "8.1e"
    return f"8.{max(0, 3 - math.floor(math.log10(largest or 1)))}f"


def draw(figure: "Figure", run: Forecaster) -> None:
    """Above the end of the series and what comes after it; below the error of each step, and the loss of each epoch."""
    grid = figure.add_gridspec(2, 2, height_ratios=[3, 2])
    draw_end(figure.add_subplot(grid[0, :]), run.problem, run.model)

    problem, unit = run.problem, run.problem.series.unit
    axes = figure.add_subplot(grid[1, 0])
    steps = np.arange(1, problem.horizon + 1)
    for name, errors in problem.errors(problem.tested(run.model)).items():
        axes.plot(steps, errors.mae[:-1], marker=".", **LOOKS[name])
    axes.set(
        xlabel="step of the horizon",
        ylabel=f"mean absolute error{unit and f', {unit}'}",
        title="Error on the test part",
    )
    axes.set_ylim(bottom=0)

    axes = figure.add_subplot(grid[1, 1])
    epochs = [row["epoch"] for row in run.rows]
    for name, label in {"loss": "training", "val_loss": "validation"}.items():
        axes.plot(epochs, [row[name] for row in run.rows], marker=".", label=label)
    if run.rows:
        axes.axvline(run.early.best_epoch + 1, color="grey", linestyle=":", label="best epoch, kept")
    axes.set(xlabel="epoch", ylabel="mean squared error, scaled", title="Training")
    axes.locator_params(axis="x", integer=True)

    for axes in figure.axes:
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right" if axes is figure.axes[1] else "best")


def draw_end(axes: "Axes", problem: Problem, model: pyrnn.Sequential) -> None:
    """The last test windows one after the other, as many as show a season, and the forecast from the end on."""
    values, horizon, end = problem.series.values, problem.horizon, problem.parts.length
    tested = (end - int(problem.origins["test"][0])) // horizon
    count = min(max(3, -(-problem.season // horizon)), 12, tested)
    origins = end + horizon * np.arange(-count, 1)
    shown = np.arange(max(0, origins[0] - horizon), end)
    axes.plot(shown, values[shown], color="black", linewidth=1.2, label="truth")
    for name, forecasts in problem.forecasts(model, origins).items():
        gaps = np.full((len(origins), 1), np.nan)  # the forecasts of two origins are not one line
        x = np.concatenate([origins[:, None] + np.arange(horizon), gaps], axis=1)
        axes.plot(x.ravel(), np.concatenate([forecasts, gaps], axis=1).ravel(), **LOOKS[name])
    for origin in origins:
        axes.axvline(origin - 0.5, color="grey", linewidth=0.6, linestyle=":")
    axes.axvspan(end - 0.5, end + horizon - 0.5, color="tab:blue", alpha=0.08, label="after the end")
    name, unit = problem.series.name, problem.series.unit
    title = f"{name}: the next {horizon} from each dotted line on"
    axes.set(xlabel=problem.series.step, ylabel=f"{name}{unit and f', {unit}'}", title=title)
    axes.margins(x=0.01)


# -- run ----------------------------------------------------------------------


def train(args: argparse.Namespace) -> int:
    pyrnn.set_num_threads(args.threads)
    pyrnn.utils.set_random_seed(args.seed)
    try:
        problem = Problem.of(args)
    except SeriesError as error:
        raise _console.RunFailed(str(error)) from error
    model = build(problem.window, args.horizon, args.cell, args.hidden, args.layers)
    model.compile(optimizer=optimizers.Adam(args.lr, global_clipnorm=CLIP), loss="mse")
    early = EarlyStopping(monitor="val_loss", patience=args.patience, restore_best_weights=True)
    forecaster = Forecaster(model, args, problem, early)
    try:
        model.fit(
            *problem.samples("train"),
            batch_size=args.batch,
            epochs=args.epochs,
            validation_data=problem.samples("validate"),
            callbacks=[early, forecaster],
            verbose=0 if args.quiet else "auto",
        )
    except KeyboardInterrupt:
        return forecaster.stopped()

    errors = problem.errors(problem.tested(model))
    forecaster.write(errors)
    if not args.quiet:
        print(table(errors, problem.series.unit))
    names = {"model": "", "naive": "seasonal naive ", "best": "best possible "}
    mae, *others = (f"{names[name]}{of_name.mae[-1]:.4g}" for name, of_name in errors.items())
    print(
        f"MAE {mae} ({', '.join(others)}), MASE {errors['model'].mase[-1]:.4f} on the test part "
        f"with epoch {early.best_epoch + 1} of {len(forecaster.rows)} "
        f"and {forecaster.seconds:.1f} s of training; results in {forecaster.folder}"
    )
    return 0


def main(argv: list[str] | None = None) -> int:
    args = settings(argv)
    return _console.guarded("forecast", lambda: train(args))


if __name__ == "__main__":
    sys.exit(main())
