"""The recipes of the addition task, a run from the command line to the files, and questions to what it leaves."""

import json

import numpy as np
import pytest

import pyrnn
from tasks.addition import sums
from tasks.addition import train as addition
from tasks.addition.carries import Table

SMALL = ["--digits", "1", "--samples", "55", "--hidden", "16", "--batch", "8", "--epochs", "2"]
RECIPES = [*addition.RECIPES]


# -- model and run ------------------------------------------------------------


def test_the_network_of_the_keras_recipe_is_that_of_the_example():
    model = addition.repeating(digits=3, hidden=128, depth=1)
    assert model.count_params() == 72_192 + 131_584 + 1_548
    assert model.output_shape == (None, 4, 12)
    assert addition.repeating(digits=3, hidden=128, depth=3).count_params() == 205_324 + 2 * 131_584


def test_the_network_of_the_fast_recipe_has_an_encoder_and_a_decoder():
    for depth, layers in ((1, ["LSTM"]), (3, ["LSTM"] * 3)):
        model = addition.forced(digits=3, hidden=8, depth=depth)
        names = [type(layer).__name__ for layer in model.layers]
        assert names == [*layers, "Handover", *layers, "Dense"]
        assert (model.input_shape, model.output_shape) == ((None, 7, 12), (None, 4, 12))


def test_at_most_a_tenth_of_the_updates_warms_up_and_the_last_ends_the_cosine():
    optimizer = addition.warmed_nadam(0.5, 100)
    config = optimizer.get_config()
    assert (config["learning_rate"]["class_name"], config["global_clipnorm"]) == ("CosineDecay", 1.0)
    rates = []
    for step in (0, 5, 10, 55, 100):
        optimizer.iterations = step
        rates.append(optimizer.learning_rate)
    assert rates == pytest.approx([0, 0.25, 0.5, 0.25, 0])
    schedule = addition.warmed_nadam(0.5, 10_000).get_config()["learning_rate"]["config"]
    assert (schedule["warmup_steps"], schedule["decay_steps"]) == (300, 9_700)
    for updates in (1, 2, 5):
        assert addition.warmed_nadam(0.5, updates).learning_rate == 0


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(("cell", "layer"), [("gru", "GRU"), ("rnn", "SimpleRNN")])
def test_another_cell(tmp_path, recipe, cell, layer):
    settings = ["--recipe", recipe, "--cell", cell, "--target", "0", "--quiet", "--out", str(tmp_path)]
    assert addition.main([*SMALL, *settings]) == 0
    model = pyrnn.load_model(tmp_path / "model.safetensors")
    assert [type(each).__name__ for each in model.layers].count(layer) == 2


@pytest.mark.parametrize(
    ("arguments", "samples", "hidden", "epochs"),
    [
        ([], 50_000, 64, 4),
        (["--digits", "1"], 55, 64, 60),
        (["--digits", "2"], 5050, 64, 39),
        (["--digits", "4"], 50_000, 96, 8),
        (["--digits", "5"], 50_000, 128, 16),
        (["--digits", "12"], 50_000, 256, 32),
        (["--digits", "5", "--hidden", "300", "--epochs", "3"], 50_000, 300, 3),
        (["--samples", "5000"], 5000, 64, 40),
        (["--batch", "128"], 50_000, 64, 8),
        (["--digits", "2", "--recipe", "keras"], 5050, 128, 60),
        (["--digits", "5", "--recipe", "keras"], 50_000, 128, 60),
    ],
)
def test_defaults_go_by_the_size_of_the_sums(arguments, samples, hidden, epochs):
    args = addition.settings(arguments)
    assert (args.samples, args.hidden, args.epochs) == (samples, hidden, epochs)


def test_the_rate_of_the_fast_recipe_falls_with_the_root_of_the_units():
    for arguments, rate in (([], 0.02), (["--hidden", "256"], 0.01), (["--digits", "5"], 0.0141), (["--lr", "1"], 1)):
        assert addition.settings(arguments).lr == rate
    assert addition.settings(["--recipe", "keras", "--hidden", "256"]).lr == 0.001


def test_small_networks_of_the_fast_recipe_train_on_one_thread_unless_told():
    for arguments, threads in (([], 1), (["--hidden", "97"], 0), (["--threads", "2"], 2), (["--recipe", "keras"], 0)):
        assert addition.settings(arguments).threads == threads


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_recipe_and_its_settings_are_in_the_help(recipe, capsys):
    with pytest.raises(SystemExit):
        addition.main(["--recipe", recipe, "--help"])
    shown = capsys.readouterr().out
    for value in addition.RECIPES[recipe].defaults.values():
        assert f"(default: {value})" in shown


def test_what_is_given_wins_over_the_recipe():
    args = addition.settings(["--hidden", "7", "--recipe", "keras", "--lr", "0.5"])
    assert (args.hidden, args.lr, args.batch, args.epochs) == (7, 0.5, 128, 60)


@pytest.fixture(scope="module", params=RECIPES)
def run(request, tmp_path_factory):
    """A whole run by default rules, small: its arguments, where it went, and what fit and the exam were given."""
    out = tmp_path_factory.mktemp("addition")
    arguments = [*SMALL, "--recipe", request.param, "--target", "0", "--quiet"]
    given = {}
    fit = pyrnn.Sequential.fit

    def spy(self, x, y, **settings):
        given.update(settings, x=x, y=y)
        return fit(self, x, y, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyrnn.Sequential, "fit", spy)
        assert addition.main([*arguments, "--out", str(out)]) == 0
    return arguments, out, given


def test_the_last_tenth_is_held_out_after_one_shuffle(run):
    arguments, _, given = run
    x_val, y_val = given["validation_data"]
    assert (len(given["x"]), len(x_val)) == (50, 5)
    rng = np.random.default_rng(0)
    a, b = sums.draw_pairs(55, 1, rng)
    x, y = sums.Layout(1, columns="fast" in arguments, reverse=True).encode(a, b)
    order = rng.permutation(55)
    np.testing.assert_array_equal(np.concatenate([given["x"], x_val]), x[order])
    np.testing.assert_array_equal(np.concatenate([given["y"], y_val]), y[order])


def test_metrics_tell_the_accuracy_per_character_and_the_exact_match(run):
    arguments, out, given = run
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    names = {"epoch", "seconds", "cpu_seconds", "loss", "val_loss", "per_character", "exact"}
    assert all(set(row) == names | ({"accuracy", "val_accuracy"} if "keras" in arguments else set()) for row in rows)
    x_val, y_val = given["validation_data"]
    model = pyrnn.load_model(out / "model.safetensors")
    if "keras" in arguments:
        right = model.predict(x_val, verbose=0).argmax(-1) == y_val
        assert rows[-1]["val_accuracy"] == pytest.approx(right.mean())
    else:  # what it writes by itself, not after the true symbols
        right = model.decode(x_val, 2) == y_val
    assert rows[-1]["per_character"] == pytest.approx(right.mean())
    assert rows[-1]["exact"] == pytest.approx(right.all(axis=1).mean())


def test_the_configuration_tells_the_recipe_and_the_optimizer(run):
    arguments, out, _ = run
    config = json.loads((out / "config.json").read_text())
    recipe = arguments[arguments.index("--recipe") + 1]
    assert (config["arguments"]["recipe"], config["columns"]) == (recipe, recipe == "fast")
    optimizer = config["optimizer"]
    if recipe == "keras":
        assert (optimizer["class_name"], optimizer["config"]["learning_rate"]) == ("Adam", 0.001)
    else:
        schedule = optimizer["config"]["learning_rate"]["config"]
        assert optimizer["class_name"] == "Nadam"
        assert (schedule["warmup_steps"], schedule["decay_steps"]) == (1, 13)  # 7 updates an epoch


def test_same_seed_same_bits(run, tmp_path):
    arguments, out, _ = run
    assert addition.main([*arguments, "--out", str(tmp_path)]) == 0
    for first, again in zip(
        pyrnn.load_model(out / "model.safetensors").get_weights(),
        pyrnn.load_model(tmp_path / "model.safetensors").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("recipe", RECIPES)
def test_ten_questions_are_shown_as_in_the_tutorial(recipe, tmp_path, capsys):
    samples = ["--digits", "2", "--samples", "300", "--hidden", "8", "--epochs", "1", "--target", "0"]
    assert addition.main([*samples, "--recipe", recipe, "--out", str(tmp_path)]) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Q")]
    assert len(shown) == len(set(shown)) == 10
    for line in shown:
        # Q 53+27 T 80  ☑ 80 : columns 2-6 the question, 9-11 the answer, 13 the verdict, 15-17 the guess
        assert (line[:2], line[7:10], line[13], line[15]) == ("Q ", " T ", " ", " "), line
        question, answer, verdict, guess = line[2:7], line[10:13], line[14], line[16:19]
        a, b = question.split("+")
        assert int(a) + int(b) == int(answer)
        assert verdict == ("☑" if guess == answer else "☒")
    kept = (tmp_path / "samples.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]] for line in kept.splitlines() if line.startswith("| `")
    ]
    assert rows == [[line[2:7].strip(), line[10:13].strip(), line[16:19].strip(), line[14]] for line in shown]
    assert kept.startswith("# Samples\n\n## Epoch 1\n\nExact match 0.") and "\n| question | answer | " in kept


def oracle(model, questions, steps):
    """Knows how to add, by reading the question."""
    texts = (str(sum(map(int, sums.decode(ids)[::-1].split("+"))))[::-1].ljust(steps) for ids in questions)
    return np.array([[sums.SYMBOLS.index(symbol) for symbol in text] for text in texts])


def test_training_stops_at_the_target(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(addition, "answer", oracle)
    assert addition.main([*SMALL, "--epochs", "50", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "☑" in out and "☒" not in out
    assert "exact match 1.0000" in out.splitlines()[-1]
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1


def test_a_missed_target_is_a_failed_run_that_keeps_its_results(tmp_path, capsys):
    assert addition.main([*SMALL, "--epochs", "1", "--target", "1", "--quiet", "--out", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert err.splitlines() == ["addition: exact match 0.0000 is short of --target 1"]
    assert out.startswith("exact match 0.0000, accuracy per character 0.") and out.count("\n") == 1
    assert (tmp_path / "model.safetensors").exists()


def test_more_samples_than_questions_are_refused(tmp_path, capsys):
    assert addition.main(["--digits", "2", "--samples", "5051", "--out", str(tmp_path)]) == 1
    assert (
        capsys.readouterr().err == "addition: --samples 5051 is more than the 5050 distinct questions with --digits 2\n"
    )


# -- carries --------------------------------------------------------------------


def test_the_table_of_carries_has_a_row_for_each_number_of_them():
    right = np.array([[True, True, True], [False, True, True], [True, True, True], [False, False, False]])
    table = Table(np.array([2, 0, 0, 2]), right)
    assert table.rows == [
        {"carries": 0, "sums": 2, "exact": 0.5, "per_character": pytest.approx(5 / 6)},
        {"carries": 2, "sums": 2, "exact": 0.5, "per_character": 0.5},
    ]


def test_a_run_prints_and_keeps_the_table_of_carries(tmp_path, capsys):
    samples = ["--digits", "2", "--samples", "300", "--hidden", "8", "--epochs", "1", "--target", "0"]
    assert addition.main([*samples, "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    first = lines.index("carries    sums  exact match  accuracy per character")
    rows = json.loads((tmp_path / "carries.json").read_text())
    assert [row["carries"] for row in rows] == [0, 1, 2]
    assert sum(row["sums"] for row in rows) == 30
    printed = [line.split() for line in lines[first + 1 : first + 4]]
    assert printed == [
        [str(row["carries"]), str(row["sums"]), f"{row['exact']:.4f}", f"{row['per_character']:.4f}"] for row in rows
    ]
    last = json.loads((tmp_path / "metrics.jsonl").read_text())
    for name in ("exact", "per_character"):
        assert sum(row[name] * row["sums"] for row in rows) / 30 == pytest.approx(last[name])


def test_the_picture_of_carries(tmp_path):
    pytest.importorskip("matplotlib")
    Table(np.array([0, 1, 0]), np.array([[True], [False], [True]])).write(tmp_path)
    assert (tmp_path / "carries.png").read_bytes().startswith(b"\x89PNG")


# -- questions to a trained network ---------------------------------------------


@pytest.mark.parametrize("right", [True, False])
def test_questions_are_answered_with_a_verdict(run, right, capsys, monkeypatch):
    arguments, out, _ = run
    _, truths = sums.Layout(1, "fast" in arguments, True).encode(np.array([3, 9]), np.array([4, 9]))
    wrong = np.where(truths == sums.ZERO + 8, sums.ZERO + 6, truths)  # 18 is 16
    monkeypatch.setattr(addition, "answer", lambda *_: truths if right else wrong)
    assert addition.main(["--ask", "3+4", " 09 + 9 ", "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines() == ["3+4 = 7 ☑", "9+9 = 18 ☑" if right else "9+9 = 16 ☒ it is 18"]


def test_the_trained_network_answers(run, tmp_path, monkeypatch, capsys):
    arguments, out, _ = run
    monkeypatch.chdir(tmp_path)
    file = out / "model.safetensors"
    assert addition.main(["--ask", "3+4", "--model", str(file)]) == 0
    layout = sums.Layout(1, "fast" in arguments, True)
    questions, _ = layout.encode(np.array([3]), np.array([4]))
    model = pyrnn.load_model(file)
    ids = model.decode(questions, 2) if "fast" in arguments else model.predict(questions, verbose=0).argmax(-1)
    assert capsys.readouterr().out.startswith(f"3+4 = {sums.decode(layout.read_answers(ids)[0]).strip()} ")


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("3-4", "--ask '3-4' is not a sum of two whole numbers such as 535+61"),
        ("3+44", "--ask '3+44' has a number of more than 1 digit, all that this network can read"),
    ],
)
def test_what_cannot_be_read_is_refused(run, question, message, capsys):
    _, out, _ = run
    assert addition.main(["--ask", "1+1", question, "--out", str(out)]) == 1
    assert capsys.readouterr() == ("", f"addition: {message}\n")


def test_a_missing_network_is_one_sentence(run, tmp_path, capsys):
    _, out, _ = run
    for left in ("nothing", "no config.json"):
        if left != "nothing":
            (tmp_path / "model.safetensors").write_bytes((out / "model.safetensors").read_bytes())
        missing = tmp_path / ("model.safetensors" if left == "nothing" else "config.json")
        assert addition.main(["--ask", "1+1", "--out", str(tmp_path)]) == 1
        assert capsys.readouterr().err == (
            f"addition: no trained network: {missing} is missing; "
            "--out or --model names another, and python -m tasks.addition trains one\n"
        )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "model.safetensors cannot be read: "),
        ("[]", "config.json is not that of an addition run"),
        ("{}", "config.json is not that of an addition run"),
        (
            '{"arguments": {"digits": 2, "reverse": true, "recipe": "fast"}}',
            "model.safetensors is not the network that ",
        ),
        ('{"arguments": {"digits": 1, "reverse": true, "recipe": "other"}}', "config.json is not that of an addition"),
    ],
)
def test_a_configuration_that_does_not_fit_is_one_sentence(run, config, message, tmp_path, capsys):
    _, out, _ = run
    (tmp_path / "model.safetensors").write_bytes((out / "model.safetensors").read_bytes())
    (tmp_path / "config.json").write_text(config)
    assert addition.main(["--ask", "1+1", "--out", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "m.safetensors"], "argument --model: is for --ask only"),
        (["--ask", "1+1", "--epochs", "4"], "argument --epochs: is for training, not for --ask"),
        (["--ask", "1+1", "--recipe", "fast"], "argument --recipe: is for training, not for --ask"),
        (["--ask"], "argument --ask: expected at least one argument"),
        (["--recipe"], "argument --recipe: expected one argument"),
        (["--recipe", "slow"], "argument --recipe: invalid choice: 'slow'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        addition.main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
