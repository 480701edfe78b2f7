"""The series of the forecasting task: generated and read, its season, windows, scaling and errors."""

import re

import numpy as np
import pytest

from tasks import series
from tasks.series import Errors, Parts, Scaling, SeriesError

# -- generating ---------------------------------------------------------------


def test_same_seed_same_series():
    one, again, other = (series.generate(3, seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one.values, again.values)
    np.testing.assert_array_equal(one.signal, other.signal)
    assert len(one.values) == 3 * 168 and (one.values != other.values).all()


def test_the_signal_is_a_trend_and_two_seasons():
    signal = series.generate(8, seed=0).signal
    np.testing.assert_allclose(signal[168:] - signal[:-168], 20 / 8, rtol=1e-9)
    day = signal[24:] - signal[:-24]
    assert day.std() > 1, "the days of a week differ"
    assert series.guess_season(signal) == 168


def test_noise_has_the_memory_that_it_says():
    made = series.generate(600, seed=1, memory=0.8, shock=2.0)
    noise = made.values - made.signal
    assert noise.var() == pytest.approx(4 / (1 - 0.64), rel=0.03)
    assert np.corrcoef(noise[1:], noise[:-1])[0, 1] == pytest.approx(0.8, abs=0.01)
    starts = [(first := series.generate(1, seed)).values[0] - first.signal[0] for seed in range(2000)]
    assert np.std(starts) == pytest.approx(2 / 0.6, rel=0.05), "it does not begin at rest"


def test_the_best_forecast_is_off_by_what_the_formula_says():
    made = series.generate(600, seed=2, memory=0.8, shock=2.0)
    origins = np.arange(1, len(made.values) - 23)
    off = made.best(origins, 24) - series.ahead(made.values, origins, 24)
    steps = np.arange(1, 25)
    wanted = 2 * np.sqrt((1 - 0.8 ** (2 * steps)) / (1 - 0.64))
    np.testing.assert_allclose(off.std(axis=0), wanted, rtol=0.02)
    np.testing.assert_allclose(np.abs(off).mean(axis=0), wanted * np.sqrt(2 / np.pi), rtol=0.02)


def test_the_best_forecast_knows_no_value_after_its_origin():
    made = series.generate(2, seed=3)
    best = made.best(np.array([100]), 24)
    made.values[100:] = 0
    np.testing.assert_array_equal(made.best(np.array([100]), 24), best)


# -- reading ------------------------------------------------------------------


@pytest.fixture
def written(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "load.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_a_column_is_read_by_name_and_blank_lines_are_none(written):
    path = written('\ufeffday,"load, MW"\r\n1, 2.5\r\n\r\n2,-3e1\r\n')
    found = series.read_csv(path, "load, MW")
    assert (found.name, found.values.tolist(), found.values.dtype) == ("load, MW", [2.5, -30.0], np.float64)
    assert found.best(np.array([1]), 1) is None
    assert series.read_csv(written("load\n1\n2\n"), None).values.tolist() == [1, 2]
    assert series.read_csv(written("a;b\n1;2\n"), "b", delimiter=";").values.tolist() == [2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", " is empty: its first line must have the names of the columns"),
        ("a,c\n1,2\n", ", line 1: no column 'b'; with --delimiter ',' they are 'a', 'c'"),
        ("a;b\n1;2\n", ", line 1: no column 'b'; with --delimiter ',' they are 'a;b'"),
        ("b,b\n1,2\n", ", line 1: more than one column 'b'; with --delimiter ',' they are 'b', 'b'"),
        ("a,b\n1,2\n1\n", ", line 3: 1 fields where line 1 has 2"),
        ("a,b\n1,2,3\n", ", line 2: 3 fields where line 1 has 2"),
        ("a,b\n\n1,x\n", ", line 3, column 'b': must be a finite number, got 'x'"),
        ('a,b\n1,"1,5"\n', ", line 2, column 'b': must be a finite number, got '1,5'"),
        ("a,b\n1,-inf\n", ", line 2, column 'b': must be a finite number, got '-inf'"),
        ("a,b\n1,2\n1,\n1,NaN\n", ", line 3, column 'b': the value is missing, one of 2; --missing interpolate fills"),
        ('a,b\n1,"2\n', ", line 2: no CSV: unexpected end of data"),
    ],
)
def test_an_error_names_file_line_and_column(text, message, written):
    path = written(text)
    with pytest.raises(SeriesError, match=f"^{re.escape(str(path) + message)}"):
        series.read_csv(path, "b")


def test_other_files_that_cannot_be_read(written, tmp_path):
    with pytest.raises(SeriesError, match=r"load.csv has 2 columns: --column must name one of 'a', 'b'$"):
        series.read_csv(written("a,b\n1,2\n"), None)
    with pytest.raises(SeriesError, match=r"load.csv is not UTF-8 text: byte 0xe4$"):
        series.read_csv(written("ä\n1\n", "latin-1"), None)
    with pytest.raises(SeriesError, match=r"none.csv cannot be read: No such file or directory$"):
        series.read_csv(tmp_path / "none.csv", None)


def test_gaps_are_filled_on_a_line_where_that_is_asked_for(written):
    found = series.read_csv(written("a,b\n1,1\n1,\n1,NA\n1,4\n1,null\n1,2\n"), "b", interpolate=True)
    assert found.values.tolist() == [1, 2, 3, 4, 3, 2]


@pytest.mark.parametrize(
    ("text", "end"), [("b\nNA\n2\n", "line 2, column 'b': the first"), ("b\n2\nNA\n", "line 3, column 'b': the last")]
)
def test_a_gap_at_an_end_has_nothing_to_be_filled_from(text, end, written):
    with pytest.raises(SeriesError, match=f"{end} value is missing, and has no neighbours"):
        series.read_csv(written(text), None, interpolate=True)


def test_a_column_names_the_series_of_each_row(written):
    """In the order in which they begin, their rows mixed or not; a gap is filled from its own series."""
    found = series.read_csv(written("id,v,w\nb,1,0\na,5,0\n b ,2,0\na,NA,0\na,9,0\n"), "v", ",", True, "id")
    assert (found.name, found.names, found.ends.tolist()) == ("v", ("b", "a"), [2, 5])
    assert found.values.tolist() == [1, 2, 5, 7, 9]
    assert series.read_csv(written("v,id\n1,a\n2,b\n"), None, series="id").names == ("a", "b")
    origins = np.array([1, 2, 3, 5])
    assert found.which(origins).tolist() == [0, 0, 1, 1] and found.history(origins).tolist() == [1, 2, 1, 3]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("a,v\nx,1\n", "v", ", line 1: no column 'id'; with --delimiter ',' they are 'a', 'v'"),
        ("id,v\nx,1\n ,2\n", "v", ", line 3, column 'id': the name of the series is missing"),
        ("id,v,w\nx,1,1\n", None, " has 3 columns: --column must name one of 'id', 'v', 'w'"),
        ("id,v\nx,1\ny,2\nx,\n", None, ", line 4, column 'v': the value is missing, one of 1"),
    ],
)
def test_an_error_in_one_of_many_series(text, column, message, written):
    path = written(text)
    with pytest.raises(SeriesError, match=f"^{re.escape(str(path) + message)}"):
        series.read_csv(path, column, series="id")


# -- season -------------------------------------------------------------------


@pytest.mark.parametrize("season", [4, 7, 12, 24, 365])
def test_a_season_is_found_under_trend_and_noise(season, rng):
    t = np.arange(8 * season + 5)
    profile = np.sin(2 * np.pi * t / season) + 0.5 * np.cos(4 * np.pi * t / season)
    values = 50 + 0.3 * t + 10 * profile + 0.5 * rng.standard_normal(len(t))
    assert series.guess_season(values) == season


def test_the_longer_of_two_seasons_is_found():
    assert series.guess_season(series.generate(10, seed=5).values) == 168


@pytest.mark.parametrize("values", [np.zeros(0), np.zeros(50), np.arange(60.0), np.ones(5), np.arange(99.0) ** 2])
def test_without_a_season_it_is_1(values):
    assert series.guess_season(values) == 1


def test_noise_has_no_season(rng):
    assert series.guess_season(rng.standard_normal(2000)) == 1


def test_the_naive_forecast_repeats_the_last_season():
    values = np.array([1.0, 2, 3, 4, 5, 6, 7, 8])
    forecasts = series.seasonal_naive(values, np.array([3, 8]), horizon=5, seasons=np.array([3, 3]))
    assert forecasts.tolist() == [[1, 2, 3, 1, 2], [6, 7, 8, 6, 7]]
    assert series.seasonal_naive(values, np.array([8]), horizon=3, seasons=np.array([1])).tolist() == [[8, 8, 8]]


# -- windows and scaling ------------------------------------------------------


def test_windows_stand_before_their_origins_and_targets_after():
    values = np.arange(10.0)
    origins = np.array([3, 7])
    assert series.before(values, origins, np.array([3, 3]), 3).tolist() == [[0, 1, 2], [4, 5, 6]]
    assert series.before(values, origins, np.array([1, 2]), 3).tolist() == [[2, 2, 2], [5, 6, 6]], "padded at the end"
    assert series.ahead(values, origins, 2).tolist() == [[3, 4], [7, 8]]


def test_no_target_is_in_two_parts_and_none_is_left_out():
    parts = Parts.of(200, validation=0.2, test=0.1)
    assert (parts.train, parts.validation, parts.length) == (140, 180, 200)
    targets = {}
    for name, origins in parts.origins(history=30, horizon=5).items():
        assert origins[0] >= 30
        targets[name] = np.unique(series.ahead(np.arange(200), origins, 5))
    assert targets["train"].tolist() == list(range(30, 140))
    assert targets["validate"].tolist() == list(range(140, 180))
    assert targets["test"].tolist() == list(range(180, 200))


@pytest.mark.parametrize(
    ("history", "horizon", "message"),
    [(66, 5, "70 of its 100 values are to train"), (5, 16, "15 of its 100 values are to validate")],
)
def test_a_part_too_short_for_a_window_is_refused(history, horizon, message):
    parts, starts = [Parts.of(100, 0.15, 0.15)], np.zeros(1, int)
    wanted = f"the series is too short: {message}, too few for a history of {history} and --horizon {horizon}"
    with pytest.raises(SeriesError, match=wanted):
        series.all_origins(parts, starts, history, horizon)
    series.all_origins(parts, starts, 65, 5)
    series.all_origins(parts, starts, 5, 15)


def test_of_many_series_those_that_are_too_short_for_a_part_are_left_out_of_it():
    parts, starts = [Parts.of(length, 0.2, 0.2) for length in (10, 20)], np.array([0, 10])
    found = series.all_origins(parts, starts, history=4, horizon=3)
    assert {name: origins.tolist() for name, origins in found.items()} == {
        "train": [14, 15, 16, 17, 18, 19],
        "validate": [22, 23],
        "test": [26, 27],
    }
    with pytest.raises(
        SeriesError, match="the 2 series are too short: at most 4 values of one are to validate, too few"
    ):
        series.all_origins(parts, starts, history=4, horizon=5)


def test_scaling_is_by_the_deviation_and_from_the_mean_of_the_window(rng):
    deviations, lengths = rng.uniform(1, 5, (7, 1)), np.array([12, 12, 5, 1, 12, 7, 12])
    windows, targets = rng.normal(60, 4, (7, 12)), rng.normal(60, 4, (7, 3))
    scaling = Scaling(deviations)
    x, level = scaling.read(windows, lengths)
    means = np.array([[window[:length].mean()] for window, length in zip(windows, lengths, strict=True)])
    np.testing.assert_allclose(level, means)
    np.testing.assert_allclose(x, (windows - means) / deviations)
    y = scaling.targets(targets, level)
    np.testing.assert_allclose(y, (targets - means) / deviations)
    np.testing.assert_allclose(scaling.write(y, level), targets)


def test_a_training_part_that_has_no_deviation_is_refused():
    assert series.deviation(np.array([1.0, 3.0])) == 1
    with pytest.raises(SeriesError, match="there is nothing to learn: all 9 values to train on are 2.5"):
        series.deviation(np.full(9, 2.5))
    with pytest.raises(SeriesError, match="there is nothing to learn: no value is to train on"):
        series.deviation(np.zeros(0))


# -- errors -------------------------------------------------------------------


def test_errors_by_hand():
    truth = np.array([[1.0, 2.0], [3.0, 4.0]])
    errors = Errors.of(truth + [[1, -2], [3, 0]], truth, np.array([[4.0], [2.0]]))
    assert errors.mae.tolist() == [2.0, 1.0, 1.5]
    np.testing.assert_allclose(errors.rmse, np.sqrt([(1 + 9) / 2, (4 + 0) / 2, (1 + 4 + 9 + 0) / 4]))
    assert errors.mase.tolist() == [(0.25 + 1.5) / 2, 0.25, 0.5625]


def test_the_unit_of_the_scaled_error_by_hand():
    assert series.naive_error(np.array([1.0, 5.0, 2.0, 9.0, 6.0]), season=2) == (1 + 4 + 4) / 3
    assert series.naive_error(np.array([1.0, 5.0, 2.0]), season=1) == 3.5
    with pytest.raises(SeriesError, match="--season 3 is too long: 3 values are there to train on"):
        series.naive_error(np.arange(3.0), season=3)
    with pytest.raises(SeriesError, match="there is nothing to learn: every value is the one 2 before it"):
        series.naive_error(np.array([1.0, 2.0] * 4), season=2)
