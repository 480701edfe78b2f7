"""A network learns to forecast a series: it reads a window of the past and writes all steps of the horizon at once.

The last part of the series is kept for the test, where the network stands beside the seasonal naive forecast (what was
there a season ago) and, for the series that the task generates itself, beside the best that any forecast can do.

    python -m tasks.forecast
    python -m tasks.forecast --csv sales.csv --column units --horizon 12
    python -m tasks.forecast --csv shops.csv --column units --series shop --horizon 12

One network learns all series of a file, each in units of its own; a history shorter than the window is read as it is.

Letters: S series, N windows, W values in a window, H steps of the horizon.
"""

import argparse
import csv
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import pyrnn
from pyrnn import layers, optimizers
from pyrnn.callbacks import EarlyStopping

from . import _console, _options, series
from ._curves import GREY, new_figure, restyle
from ._run import Run
from .series import Errors, Origins, Parts, Scaling, Series, SeriesError, Values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLIP = 1.0  # of the gradient, whose rare jumps over so many steps would throw the weights back by epochs
WEEKS = 104  # of the generated series
ONLY_CSV: dict[str, str | None] = {"column": None, "series": None, "delimiter": ",", "missing": "refuse"}
METRICS = {"MAE": "mae", "RMSE": "rmse", "MASE": "mase"}
LOOKS: dict[str, dict[str, Any]] = {
    "model": {"label": "forecast", "color": "tab:blue", "linewidth": 1.8},
    "naive": {"label": "seasonal naive", "color": "tab:orange", "linewidth": 1.2, "linestyle": "--"},
    "best": {"label": "best possible", "color": "tab:green", "linewidth": 1.2},
}


def settings(argv: list[str] | None) -> argparse.Namespace:
    options = _options.parser(f"{__package__}.forecast", "A network learns to forecast a series.", epochs=40, lr=0.002)
    options.set_defaults(hidden=32, batch=32, csv=None, weeks=None, **dict.fromkeys(ONLY_CSV))
    options.set_defaults(season=None, window=None, history=None)
    share = _options.real("a number between 0 and 1", lambda number: 0 < number < 1)
    data = options.add_argument_group("series")
    data.add_argument(
        "--csv", metavar="FILE", help="with names in its first line, rows in order of time", default=argparse.SUPPRESS
    )
    data.add_argument("--column", metavar="NAME", help="to forecast (default: the only one)", default=argparse.SUPPRESS)
    many = "a column that names the series of each row (default: all rows are one)"
    data.add_argument("--series", metavar="NAME", help=many, default=argparse.SUPPRESS)
    data.add_argument(
        "--delimiter",
        type=_options.character,
        metavar="C",
        help="between fields (default: a comma)",
        default=argparse.SUPPRESS,
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
    history = "values that must be there to read (default: the window, or of many series the horizon)"
    task.add_argument("--history", type=_options.whole(1), metavar="N", help=history, default=argparse.SUPPRESS)
    task.add_argument("--patience", type=_options.whole(1), default=6, metavar="N", help="epochs without a better one")
    task.add_argument("--plot", action=argparse.BooleanOptionalAction, default=True, help="forecast.png")

    args = options.parse_args(argv)
    if args.validation + args.test >= 1:
        options.error(f"--validation {args.validation:g} and --test {args.test:g} leave nothing to train on")
    _settle_source(options, args)
    return args


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
    """Series with all that is settled before a network is: nothing here comes from a test part."""

    series: Series
    season: int
    window: int
    horizon: int
    origins: dict[str, Origins]
    seasons: Origins  # [S]: 1 of a series that has no season to learn from
    deviations: Values  # [S]
    naive_errors: Values  # [S]

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Problem":
        if args.csv is not None:
            interpolate = args.missing == "interpolate"
            found = series.read_csv(args.csv, args.column, args.delimiter, interpolate, args.series)
        else:
            found = series.generate(args.weeks, args.seed)
        each = np.split(found.values, found.ends[:-1])
        parts = [Parts.of(len(values), args.validation, args.test) for values in each]
        trainings = [values[: own.train] for values, own in zip(each, parts, strict=True)]
        season = args.season or series.guess_season(max(trainings, key=len))
        window = args.window or -(-max(24, args.horizon) // season) * season
        history = args.history or (window if args.series is None else min(window, args.horizon))
        origins = series.all_origins(parts, found.starts, history, args.horizon)
        scales = []
        for name, training in zip(found.names, trainings, strict=True):
            own = season if args.series is None or len(training) > season else 1
            try:
                scales.append((own, series.deviation(training), series.naive_error(training, own)))
            except SeriesError as error:
                raise SeriesError(str(error) if args.series is None else f"series {name!r}: {error}") from error
        return cls(found, season, window, args.horizon, origins, *map(np.array, zip(*scales, strict=True)))

    def samples(self, part: str) -> tuple[Values | list[Values], Values]:
        """What the network reads [N, W, 1] and is to say [N, H] for each origin of the part."""
        x, level = self.read(self.origins[part])
        return x, self.scaling(self.origins[part]).targets(self.truth(part), level)

    def scaling(self, origins: Origins) -> Scaling:
        return Scaling(self.deviations[self.series.which(origins), None])

    def read(self, origins: Origins) -> tuple[Values | list[Values], Values]:
        """Windows [N, W, 1], a list of windows [W_i, 1] where histories are shorter, and the level [N, 1] of each."""
        lengths = np.minimum(self.series.history(origins), self.window)
        windows = series.before(self.series.values, origins, lengths, self.window)
        scaled, level = self.scaling(origins).read(windows, lengths)
        x = scaled[:, :, None]
        if (lengths == self.window).all():
            return x, level
        return [row[:length] for row, length in zip(x, lengths, strict=True)], level

    def truth(self, part: str) -> Values:
        return series.ahead(self.series.values, self.origins[part], self.horizon)

    def forecasts(self, model: pyrnn.Sequential, origins: Origins) -> dict[str, Values]:
        """By name the forecasts [N, H] from these origins, of which some may be the end of a series."""
        x, level = self.read(origins)
        found = {"model": self.scaling(origins).write(model.predict(x, verbose=0), level)}
        seasons = self.seasons[self.series.which(origins)]
        found["naive"] = series.seasonal_naive(self.series.values, origins, self.horizon, seasons)
        return found

    def tested(self, model: pyrnn.Sequential) -> dict[str, Values]:
        """By name the forecasts [N, H] of the test part, the best possible ones too where they are known."""
        found = self.forecasts(model, self.origins["test"])
        best = self.series.best(self.origins["test"], self.horizon)
        return found if best is None else {**found, "best": best}

    def errors(self, forecasts: dict[str, Values]) -> dict[str, Errors]:
        truth, units = self.truth("test"), self.naive_errors[self.series.which(self.origins["test"]), None]
        return {name: Errors.of(values, truth, units) for name, values in forecasts.items()}


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
        found = problem.series
        sizes = {part: len(origins) for part, origins in problem.origins.items()}
        guessed = "" if args.season else " (guessed)"
        many = "" if args.series is None else f"{len(found.names):,} series with "
        shortest = min(int(found.history(origins).min()) for origins in problem.origins.values())
        windows = f"{problem.window}" if shortest >= problem.window else f"{shortest} to {problem.window}"
        data = (
            f"{found.name}: {many}{len(found.values):,} values, season {problem.season}{guessed}, windows of "
            f"{windows}: " + ", ".join(f"{size:,} to {part}" for part, size in sizes.items())
        )
        deviations = dict(zip(found.names, problem.deviations.tolist(), strict=True))
        facts = {"season": problem.season, "window": problem.window, "deviations": deviations}
        super().__init__(model, args, data, series={"name": found.name, **facts, "windows": sizes})
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
        """errors.csv, a line for each step of the horizon, and forecast.csv, what comes after the end of each series."""
        columns = {
            f"{title} {name}": getattr(of_name, metric)
            for name, of_name in errors.items()
            for title, metric in METRICS.items()
        }
        steps = [*range(1, self.problem.horizon + 1), "all"]
        self._table("errors.csv", ["step", *columns], zip(steps, *columns.values(), strict=True))
        found = self.problem.series
        future = self.problem.forecasts(self.model, found.ends)
        keys = [
            (step,) if self.settings.series is None else (name, step) for name in found.names for step in steps[:-1]
        ]
        names = ["step"] if self.settings.series is None else [self.settings.series, "step"]
        rows = zip(*zip(*keys, strict=True), *(values.ravel() for values in future.values()), strict=True)
        self._table("forecast.csv", [*names, *future], rows)

    def _table(self, name: str, header: list[str], rows: Iterable[tuple[object, ...]]) -> None:
        with open(self.folder / name, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])

    def draw(self) -> None:
        super().draw()
        if self.settings.plot and (figure := new_figure("forecast.png", 12, 7.5)) is not None:
            draw(figure, self)
            restyle(figure)
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
    """The last test windows one after the other, as many as show a season, and the forecast from the end on.

    Of many series it is the one with the most of them.
    """
    horizon, tests = problem.horizon, problem.origins["test"]
    which = int(np.bincount(problem.series.which(tests)).argmax())
    start, end = int(problem.series.starts[which]), int(problem.series.ends[which])
    tested = (end - int(tests[problem.series.which(tests) == which][0])) // horizon
    count = min(max(3, -(-problem.season // horizon)), 12, tested)
    origins = end + horizon * np.arange(-count, 1)
    shown = np.arange(max(start, origins[0] - horizon), end)
    axes.plot(shown - start, problem.series.values[shown], color=GREY, linewidth=1.2, label="truth")
    for name, forecasts in problem.forecasts(model, origins).items():
        gaps = np.full((len(origins), 1), np.nan)  # the forecasts of two origins are not one line
        x = np.concatenate([origins[:, None] - start + np.arange(horizon), gaps], axis=1)
        axes.plot(x.ravel(), np.concatenate([forecasts, gaps], axis=1).ravel(), **LOOKS[name])
    for origin in origins:
        axes.axvline(origin - start - 0.5, color="grey", linewidth=0.6, linestyle=":")
    axes.axvspan(end - start - 0.5, end - start + horizon - 0.5, color="tab:blue", alpha=0.08, label="after the end")
    name, unit, names = problem.series.name, problem.series.unit, problem.series.names
    of = f" of {names[which]}" if len(names) > 1 else ""
    title = f"{name}{of}: the next {horizon} from each dotted line on"
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
