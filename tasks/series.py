"""The series that the forecasting task learns from: read or generated, their season, windows, scaling and errors.

Letters: S series, L values of all of them one after the other, N windows, W values in a window, H steps of the horizon,
m the season. An origin is the place of the first value to forecast: a window is what stands before it in its series.
"""

import csv
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Origins = npt.NDArray[np.int64]

HOURS_PER_DAY, HOURS_PER_WEEK = 24, 168
MISSING = {"", "-", "?", "na", "n/a", "nan", "null", "none"}


class SeriesError(Exception):
    """A series cannot be had or is too short for what is asked of it; the message is one sentence for the user."""


@dataclass(frozen=True)
class Series:
    """Values [L] in `unit`, one each `step`: of one series, or of those called `names` [S], which end at `ends` [S].

    `signal` [L] and `memory` are known of a generated one alone; see `generate`.
    """

    name: str
    unit: str
    step: str
    values: Values
    names: tuple[str, ...]
    ends: Origins
    signal: Values | None = None
    memory: float = 0.0

    @property
    def starts(self) -> Origins:
        return np.concatenate([np.zeros(1, np.int64), self.ends[:-1]])

    def which(self, origins: Origins) -> Origins:
        """The number of the series of each origin, which may be the end of it."""
        return np.searchsorted(self.ends, origins).astype(np.int64)

    def history(self, origins: Origins) -> Origins:
        """How many values of its series stand before each origin."""
        return origins - self.starts[self.which(origins)]

    def best(self, origins: Origins, horizon: int) -> Values | None:
        """The forecasts [N, H] of one who knows how the series is made: nobody's squared error can be expected smaller.

        Noise n[t] = memory n[t-1] + shock leaves E n[t+h] = memory^h n[t] (Box and Jenkins 1970, section 5.1).
        """
        if self.signal is None:
            return None
        last = (self.values - self.signal)[origins - 1]
        return ahead(self.signal, origins, horizon) + last[:, None] * self.memory ** np.arange(1, horizon + 1)


# -- generating ---------------------------------------------------------------


def generate(weeks: int, seed: int, memory: float = 0.8, shock: float = 2.0) -> Series:
    """A load in MW by the hour: a day, a week, a trend of 20 MW, and noise with n[t] = memory n[t-1] + shock * normal.

    The best forecast of step h is off by a normal number of variance shock^2 (1 - memory^2h) / (1 - memory^2).

    >>> generate(weeks=2, seed=0).values.shape
    (336,)
    """
    rng = np.random.default_rng(seed)
    t = np.arange(weeks * HOURS_PER_WEEK)
    day, week = 2 * np.pi * t / HOURS_PER_DAY, 2 * np.pi * t / HOURS_PER_WEEK
    seasons = 10 * np.sin(day - 2.1) + 4 * np.sin(2 * day - 3.1) + 6 * np.sin(week) + 3 * np.sin(2 * week - 1.5)
    signal = 100 + 20 * t / len(t) + seasons
    noise = shock * rng.standard_normal(len(t))
    noise[0] /= math.sqrt(1 - memory**2)  # as if it had gone on for ever
    for i in range(1, len(t)):
        noise[i] += memory * noise[i - 1]
    name = "generated load"
    return Series(name, "MW", "hour", signal + noise, (name,), np.array([len(t)]), signal, memory)


# -- reading ------------------------------------------------------------------


def read_csv(
    path: str | os.PathLike[str],
    column: str | None,
    delimiter: str = ",",
    interpolate: bool = False,
    series: str | None = None,
) -> Series:
    """The column of that name, or the only one, of a UTF-8 file whose first line has the names; rows in order of time.

    The column `series` names the series of each row, of which the file then has many, one after the other or mixed.
    Values that are missing (an empty field, NA, NaN and their like) are refused, or with `interpolate` put on the line
    between their neighbours. Raises SeriesError, which names file, line and column.
    """
    source = Path(path)
    try:
        with open(source, encoding="utf-8-sig", newline="") as file:
            name, rows = _columns(file, source, column, delimiter, series)
    except OSError as error:
        raise SeriesError(f"{source} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SeriesError(f"{source} is not UTF-8 text: byte 0x{error.object[error.start]:02x}") from error
    groups: dict[str, list[tuple[str, str]]] = {}
    for line, text, group in rows:
        if not group:
            raise SeriesError(f"{source}, line {line}, column {series!r}: the name of the series is missing")
        groups.setdefault(group, []).append((f"{source}, line {line}, column {name!r}", text))
    found = [_numbers(fields, interpolate) for fields in groups.values()] or [np.zeros(0)]
    ends = np.cumsum([len(values) for values in found], dtype=np.int64)
    return Series(name, "", "row", np.concatenate(found), tuple(groups) or (name,), ends)


def _numbers(fields: list[tuple[str, str]], interpolate: bool) -> Values:
    """The values of one series, whose fields come with where they are."""
    values = np.array([_number(text, where) for where, text in fields], np.float64)
    missing = np.isnan(values)
    if missing.any():
        first = int(missing.argmax())
        if not interpolate:
            raise SeriesError(
                f"{fields[first][0]}: the value is missing, one of {missing.sum()}; --missing interpolate fills gaps"
            )
        if missing[0] or missing[-1]:
            at, end = (0, "first") if missing[0] else (len(missing) - 1, "last")
            raise SeriesError(
                f"{fields[at][0]}: the {end} value is missing, and has no neighbours to interpolate between"
            )
        values[missing] = np.interp(np.flatnonzero(missing), np.flatnonzero(~missing), values[~missing])
    return values


def _rows(file: TextIO, source: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, with the number of the line that each ends in."""
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if any(field.strip() for field in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise SeriesError(f"{source}, line {reader.line_num}: no CSV: {error}") from error


def _columns(
    file: TextIO, source: Path, column: str | None, delimiter: str, series: str | None
) -> tuple[str, list[tuple[int, str, str]]]:
    """The name of the column, and the lines' numbers with its fields and the names of their series."""
    rows = _rows(file, source, delimiter)
    _, header = next(rows, (0, []))
    names = [name.strip() for name in header]
    if not names:
        raise SeriesError(f"{source} is empty: its first line must have the names of the columns")
    listed = ", ".join(map(repr, names))
    if column is None:
        others = [name for name in names if name != series]
        if len(others) != 1:
            raise SeriesError(f"{source} has {len(names)} columns: --column must name one of {listed}")
        column = others[0]
    for wanted in [column] if series is None else [series, column]:
        if names.count(wanted) != 1:
            count = "more than one column" if wanted in names else "no column"
            raise SeriesError(f"{source}, line 1: {count} {wanted!r}; with --delimiter {delimiter!r} they are {listed}")
    place, group = names.index(column), None if series is None else names.index(series)
    fields = []
    for line, row in rows:
        if len(row) != len(names):
            raise SeriesError(f"{source}, line {line}: {len(row)} fields where line 1 has {len(names)}")
        fields.append((line, row[place], column if group is None else row[group].strip()))
    return column, fields


def _number(text: str, where: str) -> float:
    """NaN where it is missing."""
    if text.strip().lower() in MISSING:
        return math.nan
    try:
        number = float(text)
    except ValueError:
        number = math.inf
    if not math.isfinite(number):
        raise SeriesError(f"{where}: must be a finite number, got {text!r}")
    return number


# -- season -------------------------------------------------------------------


def guess_season(values: Values) -> int:
    """The lag of the highest peak of the autocorrelation of values [L] less their trend; 1 where there is none.

    The peaks that count come after the first negative lag, up to L / 3: those before are of neighbours, which are alike
    in any smooth series. They reach 0.2, and 3 / sqrt(L), three standard errors of noise (Bartlett 1946). Of peaks within
    5 % of the highest the first is taken, since multiples of a season are as high.

    >>> guess_season(np.sin(np.arange(200) * 2 * np.pi / 12))
    12
    """
    if len(values) < 9:  # there is no lag with two others beside it up to L / 3
        return 1
    t = np.arange(len(values))
    rest = values - np.polyval(np.polyfit(t, values, 1), t)
    power = np.abs(np.fft.rfft(rest, 2 * len(rest))) ** 2  # twice as long: no end is held against a beginning
    lags = np.arange(len(rest) // 3 + 1)
    correlation = np.fft.irfft(power)[: len(lags)] / (len(rest) - lags)
    if correlation[0] <= 1e-12 * np.mean(values**2):  # a straight line
        return 1
    correlation /= correlation[0]
    inner = correlation[1:-1]
    peak = (inner > correlation[:-2]) & (inner >= correlation[2:]) & (np.minimum.accumulate(inner) < 0)
    peak &= inner >= max(0.2, 3 / math.sqrt(len(rest)))
    if not peak.any():
        return 1
    return int(lags[1:-1][peak & (inner >= 0.95 * inner[peak].max())][0])


def seasonal_naive(values: Values, origins: Origins, horizon: int, seasons: Origins) -> Values:
    """What was there a season [N] ago, again and again where the horizon is longer: [N, H].

    >>> seasonal_naive(np.array([1.0, 2.0, 3.0]), np.array([3]), horizon=5, seasons=np.array([2]))
    array([[2., 3., 2., 3., 2.]])
    """
    return np.take(values, (origins - seasons)[:, None] + np.arange(horizon) % seasons[:, None])


# -- windows ------------------------------------------------------------------


@dataclass(frozen=True)
class Parts:
    """Where a series is cut, in the order of time: [:train] to learn, [train:validation], and [validation:] to test."""

    train: int
    validation: int
    length: int

    @classmethod
    def of(cls, length: int, validation: float, test: float) -> "Parts":
        """The last share `test` of a series, the share `validation` before it, and all the rest.

        >>> Parts.of(100, validation=0.15, test=0.15)
        Parts(train=70, validation=85, length=100)
        """
        return cls(round(length * (1 - validation - test)), round(length * (1 - test)), length)

    @property
    def bounds(self) -> dict[str, tuple[int, int]]:
        return {
            "train": (0, self.train),
            "validate": (self.train, self.validation),
            "test": (self.validation, self.length),
        }

    def origins(self, history: int, horizon: int) -> dict[str, Origins]:
        """By part all origins whose targets lie in it, and which have a history so long, maybe in the part before.

        >>> {name: origins.tolist() for name, origins in Parts(6, 9, 12).origins(history=3, horizon=2).items()}
        {'train': [3, 4], 'validate': [6, 7], 'test': [9, 10]}
        """
        return {name: np.arange(max(begin, history), end - horizon + 1) for name, (begin, end) in self.bounds.items()}


def all_origins(parts: list[Parts], starts: Origins, history: int, horizon: int) -> dict[str, Origins]:
    """By part those of series that begin at `starts`. Raises SeriesError where a part has none."""
    by_series = [one.origins(history, horizon) for one in parts]
    found = {}
    for name, (begin, end) in parts[0].bounds.items():
        found[name] = np.concatenate([start + one[name] for start, one in zip(starts, by_series, strict=True)])
        if not len(found[name]):
            what = f"the series is too short: {end - begin} of its {parts[0].length} values are"
            if len(parts) > 1:
                most = max(bounds[1] - bounds[0] for bounds in (one.bounds[name] for one in parts))
                what = f"the {len(parts)} series are too short: at most {most} values of one are"
            raise SeriesError(f"{what} to {name}, too few for a history of {history} and --horizon {horizon}")
    return found


def before(values: Values, origins: Origins, lengths: Origins, window: int) -> Values:
    """The windows [N, W]: values[o - n : o] of each origin o and length n, then the last of them again up to W.

    >>> before(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2, 4]), np.array([2, 3]), window=3)
    array([[1., 2., 2.],
           [2., 3., 4.]])
    """
    places: Origins = np.minimum((origins - lengths)[:, None] + np.arange(window), origins[:, None] - 1)
    return np.take(values, places)


def ahead(values: Values, origins: Origins, horizon: int) -> Values:
    """What is to be forecast [N, H]: values[o : o + H] of each origin o."""
    return np.take(values, origins[:, None] + np.arange(horizon))


@dataclass(frozen=True)
class Scaling:
    """Between values and what a network reads: as many standard deviations of the training part from the window's mean.

    Deviations [N, 1], those of each window's series.

    >>> scaling = Scaling(np.array([[1.0]]))
    >>> x, level = scaling.read(np.array([[4.0, 6.0, 6.0]]), np.array([2]))
    >>> x.tolist(), level.tolist(), scaling.write(x, level).tolist()
    ([[-1.0, 1.0, 1.0]], [[5.0]], [[4.0, 6.0, 6.0]])
    """

    deviations: Values

    def read(self, windows: Values, lengths: Origins) -> tuple[Values, Values]:
        """Windows [N, W] as the network sees them, and the mean [N, 1] of the values that count, which a trend moves."""
        counts = np.arange(windows.shape[1]) < lengths[:, None]
        level = np.where(counts, windows, 0).sum(axis=1, keepdims=True) / lengths[:, None]
        return (windows - level) / self.deviations, level

    def write(self, outputs: npt.NDArray[np.floating], level: Values) -> Values:
        """The values that the network's outputs [N, H] stand for."""
        return level + outputs.astype(np.float64) * self.deviations

    def targets(self, values: Values, level: Values) -> Values:
        """The outputs [N, H] that the network is to give for these values: `write` backwards."""
        return (values - level) / self.deviations


def deviation(training: Values) -> float:
    """From the training part alone. Raises SeriesError where it is constant."""
    if not len(training):
        raise SeriesError("there is nothing to learn: no value is to train on")
    if np.ptp(training) == 0:
        raise SeriesError(f"there is nothing to learn: all {len(training)} values to train on are {training[0]:g}")
    return float(training.std())


# -- errors -------------------------------------------------------------------


@dataclass(frozen=True)
class Errors:
    """Of forecasts [N, H]: mean absolute, root of the mean square, and mean absolute scaled error, each [H + 1].

    Entries 0..H-1 are those of the steps, the last that of all steps together. The scaled one is in units of what the
    seasonal naive forecast of one step is off within the training part of the same series (Hyndman and Koehler 2006,
    equation 8 for a season).
    """

    mae: Values
    rmse: Values
    mase: Values

    @classmethod
    def of(cls, forecasts: Values, truth: Values, units: Values) -> "Errors":
        """`units` [N, 1] are `naive_error` of the training parts.

        >>> errors = Errors.of(np.array([[1.0, 5.0]]), np.array([[2.0, 2.0]]), units=np.array([[2.0]]))
        >>> errors.mae.tolist(), errors.mase.tolist()
        ([1.0, 3.0, 2.0], [0.5, 1.5, 1.0])
        """
        off = forecasts - truth
        absolute, square, scaled = (each.mean(axis=0) for each in (np.abs(off), off**2, np.abs(off) / units))
        mae, mse, mase = (np.append(each, each.mean()) for each in (absolute, square, scaled))
        return cls(mae, np.sqrt(mse), mase)


def naive_error(training: Values, season: int) -> float:
    """mean |v[t] - v[t-m]|. Raises SeriesError where it is 0, or there is no season before a value.

    >>> naive_error(np.array([1.0, 2.0, 3.0, 5.0]), season=2)
    2.5
    """
    if len(training) <= season:
        raise SeriesError(f"--season {season} is too long: {len(training)} values are there to train on")
    error = float(np.abs(training[season:] - training[:-season]).mean())
    if error == 0:
        raise SeriesError(f"there is nothing to learn: every value is the one {season} before it")
    return error
