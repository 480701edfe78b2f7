"""What the forecasting task learns from, what it reports, and whole runs of it."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from tasks import forecast, series
from tasks.forecast import Problem
from tasks.series import Errors

ROOT = Path(__file__).parents[2]
SMALL = ["--weeks", "8", "--window", "24", "--horizon", "6", "--hidden", "8", "--epochs", "2"]


def problem(*arguments):
    return Problem.of(forecast.settings([*SMALL, *arguments]))


def written(path, values, column="load"):
    path.write_text("".join(f"{row}\n" for row in [column, *values]))
    return ["--csv", str(path), *SMALL[2:]]


def lines_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# -- data ---------------------------------------------------------------------


def test_nothing_of_the_test_part_leaks(tmp_path):
    """Other values in the test part change neither season nor scaling, nor anything to train or validate on."""
    made = series.generate(8, seed=0)
    found = []
    for factor in 1, 100:
        values = made.values.copy()
        values[round(len(values) * 0.85) :] *= factor
        found.append(Problem.of(forecast.settings(written(tmp_path / f"{factor}.csv", values.tolist()))))
    one, other = found
    for name in "season", "window", "seasons", "deviations", "naive_errors":
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for part in "train", "validate":
        for left, right in zip(one.samples(part), other.samples(part), strict=True):
            np.testing.assert_array_equal(left, right)
    assert not np.array_equal(one.samples("test")[1], other.samples("test")[1])


def test_scaling_is_that_of_the_training_part():
    small = problem()
    training = small.series.values[: round(8 * 168 * 0.7)]
    assert small.deviations == training.std()
    assert small.naive_errors == np.abs(training[168:] - training[:-168]).mean()


def test_samples_are_windows_and_what_comes_after_them():
    small = problem()
    for part, origins in small.origins.items():
        x, y = small.samples(part)
        assert (x.shape, y.shape) == ((len(origins), 24, 1), (len(origins), 6))
        for i in 0, len(origins) // 2, -1:
            o = origins[i]
            window, after = small.series.values[o - 24 : o], small.series.values[o : o + 6]
            np.testing.assert_allclose(x[i, :, 0], (window - window.mean()) / small.deviations)
            np.testing.assert_allclose(y[i], (after - window.mean()) / small.deviations)


@pytest.mark.parametrize(
    ("arguments", "season", "window"),
    [
        ([], 168, 168),
        (["--season", "24"], 24, 24),
        (["--season", "24", "--horizon", "30"], 24, 48),
        (["--season", "7"], 7, 28),
        (["--season", "7", "--window", "9"], 7, 9),
    ],
)
def test_the_window_is_whole_seasons_unless_it_is_given(arguments, season, window):
    found = Problem.of(forecast.settings(["--weeks", "8", *arguments]))
    assert (found.season, found.window) == (season, window)


def test_a_network_that_says_the_truth_has_no_error():
    small = problem()

    class Oracle:
        def predict(self, x, verbose):
            return small.samples("test")[1].astype(np.float32)

    errors = small.errors(small.tested(Oracle()))
    assert list(errors) == ["model", "naive", "best"]
    assert errors["model"].mae.max() < 1e-4 < errors["best"].mae.min() < errors["naive"].mae.min()


def test_the_network():
    model = forecast.build(window=168, horizon=24, cell="lstm", hidden=32, depth=1)
    assert (model.output_shape, model.count_params()) == ((None, 24), 4 * 32 * (1 + 32 + 1) + 33 * 24)
    deep = forecast.build(window=168, horizon=24, cell="lstm", hidden=32, depth=2)
    assert deep.count_params() - model.count_params() == 4 * 32 * (32 + 32 + 1)


# -- many series ----------------------------------------------------------------


LENGTHS = {"long": 90, "short": 30, "low": 60}
MANY = ["--series", "shop", "--column", "units", "--season", "7", "--window", "14", "--horizon", "5"]


@pytest.fixture
def shops(tmp_path, rng):
    """Arguments that read three series whose rows take turns: one is too short for a season in its training part."""
    values = {name: 100 + 10 * np.sin(np.arange(n) * 2 * np.pi / 7) + rng.normal(size=n) for name, n in LENGTHS.items()}
    values["low"] /= 1000
    values["new"] = 50 + rng.normal(size=9)
    rows = [(t, name, series[t]) for name, series in values.items() for t in range(len(series))]
    path = tmp_path / "shops.csv"
    lines = [f"{name},{value}" for _, name, value in sorted(rows, key=lambda row: row[0])]
    path.write_text("\n".join(["shop,units", *lines]))
    return values, ["--csv", str(path), *MANY]


def test_many_series_are_cut_each_by_itself(shops):
    values, arguments = shops
    found = Problem.of(forecast.settings(arguments))
    assert found.series.names == tuple(values)
    assert found.seasons.tolist() == [7, 7, 7, 1], "six values have no season"
    for i, own in enumerate(values.values()):
        training = own[: round(len(own) * 0.7)]
        assert found.deviations[i] == training.std()
        season = found.seasons[i]
        assert found.naive_errors[i] == np.abs(training[season:] - training[:-season]).mean()
    for part, origins in found.origins.items():
        x, y = found.samples(part)
        for o, window, target in zip(origins, x, y, strict=True):
            which = int(found.series.which(origins[origins == o])[0])
            own, place = list(values.values())[which], o - found.series.starts[which]
            assert 5 <= place <= len(own) - 5
            history, after = own[max(0, place - 14) : place], own[place : place + 5]
            np.testing.assert_allclose(window[:, 0], (history - history.mean()) / found.deviations[which], atol=1e-9)
            np.testing.assert_allclose(target, (after - history.mean()) / found.deviations[which], atol=1e-9)
    assert isinstance(found.samples("train")[0], list) and isinstance(found.samples("test")[0], np.ndarray)


def test_a_longer_history_can_be_asked_for(shops):
    found = Problem.of(forecast.settings([*shops[1], "--history", "14"]))
    assert isinstance(found.samples("train")[0], np.ndarray)
    assert min(found.series.history(origins).min() for origins in found.origins.values()) == 14


def test_a_run_on_many_series(shops, tmp_path, capsys):
    values, arguments = shops
    short = ["--hidden", "8", "--epochs", "2"]
    assert forecast.main([*arguments, *short, "--out", str(tmp_path / "out")]) == 0
    err = capsys.readouterr().err
    assert err.startswith("units: 4 series with 189 values, season 7, windows of 5 to 14: ")
    rows = lines_of(tmp_path / "out" / "forecast.csv")
    assert [(row["shop"], row["step"]) for row in rows] == [(name, str(h + 1)) for name in values for h in range(5)]
    naive = np.array([float(row["naive"]) for row in rows]).reshape(4, 5)
    np.testing.assert_array_equal(naive[0], values["long"][-7:-2])
    np.testing.assert_array_equal(naive[3], values["new"][[-1] * 5])
    model = np.array([float(row["model"]) for row in rows]).reshape(4, 5)
    assert (np.abs(model[2]) < 1).all() and (np.abs(model[[0, 1, 3]]) > 10).all(), "each in its own units"
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert list(config["series"]["deviations"]) == list(values)


def test_a_series_that_teaches_nothing_is_named(shops, capsys, tmp_path):
    with open(shops[1][1], "a") as file:
        file.write("\nflat,3" * 40)
    assert forecast.main([*shops[1], "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == (
        "forecast: series 'flat': there is nothing to learn: all 28 values to train on are 3\n"
    )


# -- report -------------------------------------------------------------------


def test_the_table_has_a_line_per_step_and_one_for_all():
    model, naive = np.array([[1.0, 3.0]]), np.array([[20.0, 40.0]])
    errors = {
        name: Errors.of(off, np.zeros((1, 2)), units=np.array([[2.0]]))
        for name, off in {"model": model, "naive": naive}.items()
    }
    assert forecast.table(errors, "MW").splitlines() == [
        "              MAE, MW        RMSE, MW            MASE",
        " step   model   naive   model   naive   model   naive",
        "    1    1.00   20.00    1.00   20.00    0.50   10.00",
        "    2    3.00   40.00    3.00   40.00    1.50   20.00",
        "  all    2.00   30.00    2.24   31.62    1.00   15.00",
    ]


def test_a_long_horizon_is_shown_in_about_twelve_steps():
    errors = {"model": Errors.of(np.ones((1, 50)), np.zeros((1, 50)), units=np.ones((1, 1)))}
    lines = forecast.table(errors, "").splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["1", *map(str, range(5, 51, 5)), "all"]


def test_a_perfect_forecast_can_be_shown():
    errors = {"model": Errors.of(np.ones((1, 1)), np.ones((1, 1)), units=np.ones((1, 1)))}
    assert forecast.table(errors, "").splitlines()[-1].split() == ["all", "0.000", "0.000", "0.000"]


# -- runs ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole run, as a process: where it went, and what it said."""
    out = tmp_path_factory.mktemp("forecast")
    command = [sys.executable, "-m", "tasks.forecast", *SMALL, "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    return out, done


def test_what_a_run_says(run):
    out, done = run
    assert done.stderr.startswith(
        "generated load: 1,344 values, season 168 (guessed), windows of 24: "
        "912 to train, 196 to validate, 197 to test; 374 parameters; "
    )
    lines = done.stdout.splitlines()
    assert [line.split("/")[0] for line in lines[:2]] == ["Epoch 1", "Epoch 2"]
    assert lines[3].split() == ["step", *["model", "naive", "best"] * 3]
    assert [line.split()[0] for line in lines[4:-1]] == ["1", "2", "3", "4", "5", "6", "all"]
    assert lines[-1].startswith("MAE ") and lines[-1].endswith(f"results in {out}")


def test_the_errors_are_those_of_the_saved_model(run):
    out, _ = run
    model = pyrnn.load_model(out / "model.safetensors")
    small = problem()
    off = small.tested(model)["model"] - small.truth("test")
    rows = lines_of(out / "errors.csv")
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5", "6", "all"]
    mae = [float(row["MAE model"]) for row in rows]
    np.testing.assert_allclose(mae, [*np.abs(off).mean(axis=0), np.abs(off).mean()], rtol=1e-6)
    np.testing.assert_allclose(
        [float(row["MASE model"]) for row in rows], np.array(mae) / small.naive_errors, rtol=1e-6
    )
    future = lines_of(out / "forecast.csv")
    wanted = small.forecasts(model, np.array([8 * 168]))
    np.testing.assert_allclose([float(row["model"]) for row in future], wanted["model"][0], rtol=1e-6)
    assert [float(row["naive"]) for row in future] == small.series.values[-168:-162].tolist()


def test_config_tells_what_the_model_needs_to_be_used(run):
    out, _ = run
    config = json.loads((out / "config.json").read_text())
    small = problem()
    assert config["series"] == {
        "name": "generated load",
        "season": 168,
        "window": 24,
        "deviations": {"generated load": float(small.deviations[0])},
        "windows": {"train": 912, "validate": 196, "test": 197},
    }
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [set(row) for row in rows] == [{"epoch", "seconds", "cpu_seconds", "loss", "val_loss"}] * 2


class Worsening(pyrnn.callbacks.Callback):
    """Spoils every epoch but the first."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch:
            self.model.set_weights([np.zeros_like(weights) for weights in self.model.get_weights()])
            logs["val_loss"] = 9.0


def test_the_best_epoch_is_kept(tmp_path, monkeypatch):
    fit = pyrnn.Sequential.fit
    monkeypatch.setattr(
        pyrnn.Sequential,
        "fit",
        lambda self, *data, callbacks, **rest: fit(self, *data, callbacks=[Worsening(), *callbacks], **rest),
    )
    arguments = ["--epochs", "9", "--patience", "2", "--quiet", "--no-plot", "--out", str(tmp_path)]
    assert forecast.main([*SMALL, *arguments]) == 0
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3, "it stops after two epochs without a better"
    assert any(weights.any() for weights in pyrnn.load_model(tmp_path / "model.safetensors").get_weights())


def test_same_seed_same_forecast(run, tmp_path, capsys):
    out, _ = run
    assert forecast.main([*SMALL, "--quiet", "--no-plot", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert (tmp_path / "forecast.csv").read_text() == (out / "forecast.csv").read_text()


def test_the_picture(run, tmp_path):
    pytest.importorskip("matplotlib")
    out, _ = run
    assert (out / "forecast.png").read_bytes().startswith(b"\x89PNG")
    assert forecast.main([*SMALL, "--quiet", "--no-plot", "--out", str(tmp_path)]) == 0
    assert not (tmp_path / "forecast.png").exists()


def test_without_matplotlib_a_line_for_each_picture_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert forecast.main([*SMALL, "--quiet", "--out", str(tmp_path)]) == 0
    lines = [f"no {name}.png without matplotlib: pip install 'pyrnn[plot]'\n" for name in ("curves", "forecast")]
    assert capsys.readouterr().err == "".join(lines)
    assert (tmp_path / "forecast.csv").exists()


def test_a_file_has_no_best_possible(tmp_path, capsys):
    source = written(tmp_path / "load.csv", series.generate(6, seed=1).values.tolist())
    assert forecast.main([*source, "--quiet", "--out", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("MAE ") and "(seasonal naive " in out and "best possible" not in out and err == ""
    assert set(lines_of(tmp_path / "out" / "errors.csv")[0]) == {
        "step",
        *(f"{metric} {name}" for metric in ("MAE", "RMSE", "MASE") for name in ("model", "naive")),
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1", "oops"], "load.csv, line 3, column 'load': must be a finite number, got 'oops'"),
        (
            ["1", "2"],
            "the series is too short: 1 of its 2 values are to train, too few for a history of 24 and --horizon 6",
        ),
        (["5"] * 200, "there is nothing to learn: all 140 values to train on are 5"),
    ],
)
def test_a_series_that_cannot_be_learnt_is_one_line_and_exit_code_1(values, message, tmp_path, capsys):
    source = written(tmp_path / "load.csv", values)
    assert forecast.main([*source, "--out", str(tmp_path / "out")]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("forecast: ") and err.endswith(f"{message}\n")


def test_it_beats_the_naive_forecast_and_comes_near_the_best(tmp_path):
    arguments = ["--weeks", "20", "--hidden", "24", "--batch", "16", "--epochs", "5", "--quiet", "--no-plot"]
    assert forecast.main([*arguments, "--horizon", "3", "--lr", "0.005", "--out", str(tmp_path)]) == 0
    total = {name: float(value) for name, value in lines_of(tmp_path / "errors.csv")[-1].items() if name != "step"}
    assert total["MAE best"] < total["MAE model"] < 0.8 * total["MAE naive"]
