"""The page of a network's units: the values in it are the model's own, and no text breaks it."""

import base64
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

import pyrnn
from pyrnn import layers
from pyrnn.text import Vocabulary
from tasks.textgen import train, visualize
from tasks.textgen.activations import read
from tasks.textgen.page import quantized, write_page
from tasks.textgen.recipes import build

TEXT = 'The Owl (and the Pussy-cat) went "to sea"\nIn a beautiful pea-green boat.\n' * 6
NASTY = (
    "<script>alert(1)</script><!-- </SCRIPT> &amp; \0\x1b\t\r\n\u2028 שלום\u202e עולם 👩‍👩‍👧 é \ud83d\ude00"
    " /*DATA*/ /*SCRIPT*/ \" ' \\"
)


def built(*cells, symbols=7, seed=3, **options):
    pyrnn.utils.set_random_seed(seed)
    model = pyrnn.Sequential([pyrnn.Input((None, symbols))])
    for cell, units in cells:
        model.add(cell(units, return_sequences=True, **options))
        model.add(layers.Dropout(0.3))
    model.add(layers.Dense(symbols, activation="softmax"))
    rng = np.random.default_rng(seed)
    model.set_weights([w + rng.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return model


def up_to(model, count):
    """The first layers of a model as a model, with its weights."""
    config = model.get_config()
    part = pyrnn.Sequential.from_config({**config, "layers": config["layers"][:count]})
    part.set_weights([weight for layer in model.layers[:count] for weight in layer.get_weights()])
    return part


# -- values ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "cells",
    [
        [(layers.LSTM, 6)],
        [(layers.GRU, 5), (layers.LSTM, 4)],
        [(layers.SimpleRNN, 4), (layers.GRU, 3), (layers.SimpleRNN, 5)],
    ],
)
def test_h_and_the_probabilities_are_those_of_the_model(cells):
    model, ids = built(*cells), np.random.default_rng(1).integers(0, 7, 40).astype(np.uint8)
    reading = read(model, ids, first=9)
    p = model.predict(ids[None], verbose=0)[0]
    np.testing.assert_allclose(reading.p, p[9:], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(reading.bits, -np.log2(p[np.arange(8, 39), ids[9:]]), rtol=1e-5)
    for number, layer in enumerate(reading.layers):
        h = up_to(model, 2 * number + 1).predict(ids[None], verbose=0)[0]
        np.testing.assert_allclose(layer["h"], h[9:], rtol=1e-5, atol=1e-6)


def test_a_network_of_windows_is_read_step_by_step():
    pyrnn.utils.set_random_seed(4)
    model, ids = build(window=12, symbols=7, hidden=5, depth=2), np.random.default_rng(5).integers(0, 7, 12)
    reading = read(model, ids)
    np.testing.assert_allclose(reading.p[-1], model.predict(ids[None], verbose=0)[0], rtol=1e-5)
    np.testing.assert_allclose(reading.layers[0]["h"], up_to(model, 1).predict(ids[None], verbose=0)[0], rtol=1e-5)
    np.testing.assert_allclose(reading.layers[1]["h"][-1], up_to(model, 2).predict(ids[None], verbose=0)[0], rtol=1e-5)


def before(values):
    return np.concatenate([np.zeros((1, values.shape[1])), values[:-1]])


@pytest.mark.parametrize(
    "options", [{}, {"use_bias": False}, {"activation": "relu", "recurrent_activation": "hard_sigmoid"}]
)
def test_the_gates_of_an_lstm_make_its_states(options):
    model, ids = built((layers.LSTM, 5), (layers.LSTM, 6), **options), np.random.default_rng(2).integers(0, 7, 30)
    for layer in read(model, ids).layers:
        i, f, candidate, o, c = (layer[key] for key in ("i", "f", "c~", "o", "c"))
        shown = np.maximum(c, 0) if options.get("activation") == "relu" else np.tanh(c)
        np.testing.assert_allclose(f * before(c) + i * candidate, c, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(o * shown, layer["h"], rtol=1e-4, atol=1e-5)
        assert i.min() >= 0 and i.max() <= 1


@pytest.mark.parametrize("options", [{}, {"reset_after": False}, {"use_bias": False}])
def test_the_gates_of_a_gru_make_its_state(options):
    model, ids = built((layers.GRU, 5), (layers.GRU, 6), **options), np.random.default_rng(2).integers(0, 7, 30)
    reading = read(model, ids)
    for number, layer in enumerate(reading.layers):
        h, z, r, candidate = (layer[key] for key in ("h", "z", "r", "h~"))
        h_before = before(h)
        np.testing.assert_allclose(z * h_before + (1 - z) * candidate, h, rtol=1e-4, atol=1e-5)
        kernel, recurrent, *bias = model.layers[2 * number].get_weights()
        x = np.eye(7)[ids] if number == 0 else reading.layers[0]["h"]
        sums = x @ kernel + h_before @ recurrent + sum(bias[0].reshape(-1, kernel.shape[1]) if bias else [0])
        np.testing.assert_allclose(r, 1 / (1 + np.exp(-np.split(sums, 3, axis=1)[1])), rtol=1e-4, atol=1e-5)


def test_nothing_is_expected_before_the_first_character():
    bits = read(built((layers.LSTM, 3)), np.array([1, 2, 3])).bits
    assert np.isnan(bits[0]) and np.isfinite(bits[1:]).all()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            pyrnn.Sequential([pyrnn.Input((None, 7)), layers.Dense(7, activation="softmax")]),
            "a recurrent layer, got none",
        ),
        (pyrnn.Sequential([pyrnn.Input((None, 7)), layers.LSTM(3), layers.Dense(7)]), "end with a softmax"),
        (built((layers.LSTM, 3), layer_norm=True), "has layer_norm=True"),
    ],
)
def test_models_without_such_values_are_refused(model, message):
    with pytest.raises(ValueError, match=message):
        read(model, np.array([1, 2, 3]))


def unpacked(array):
    low, high = np.array(array["low"]), np.array(array["high"])
    levels = np.frombuffer(base64.b64decode(array["bytes"]), np.uint8).reshape(len(low), -1).T
    return low + levels / 255 * (high - low)


def test_a_value_is_off_by_no_more_than_a_510th_of_its_units_range(rng):
    steps = rng.normal(0, [0.001, 1, 50, 0], (200, 4))
    error = np.abs(unpacked(quantized(steps)) - steps)
    assert (error <= np.ptp(steps, axis=0) * (1 / 510 + 1e-5)).all()


# -- page -----------------------------------------------------------------------


class Page(HTMLParser):
    """The tags of a page with their attributes, its ids, and the text of each script."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.scripts = [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if (
            self.tags
            and self.tags[-1][0] == "script"
            and len(self.scripts) < sum(tag == "script" for tag, _ in self.tags)
        ):
            self.scripts.append(data)


def page_of(path):
    page = Page(path.read_text(encoding="utf-8"))
    return page, json.loads(page.scripts[0])


@pytest.mark.parametrize("text", [TEXT, NASTY, "a"])
def test_the_page_has_the_text_and_the_models_values(text, tmp_path):
    vocabulary = Vocabulary.from_text(text + "ab")
    model = built((layers.LSTM, 6), (layers.GRU, 5), symbols=len(vocabulary))
    path = tmp_path / "page.html"
    assert write_page(model, vocabulary, text, path) == path.stat().st_size
    page, data = page_of(path)
    assert sum(tag == "script" for tag, _ in page.tags) == len(page.scripts) == 2
    assert "".join(data["symbols"][id] for id in data["ids"]) == text

    ids = vocabulary.encode(text)
    reading = read(model, ids)
    for shown, layer in zip(data["layers"], reading.layers, strict=True):
        assert [value["key"] for value in shown["values"]] == [value.key for value in layer.values]
        for value in shown["values"]:
            steps = layer[value["key"]]
            np.testing.assert_allclose(unpacked(value), steps, rtol=1e-5, atol=np.ptp(steps, axis=0).max() / 500)
            assert np.shape(value["r"]) == (steps.shape[1], len(data["features"])) or not data["features"]
    h = up_to(model, 1).predict(ids[None], verbose=0)[0]
    np.testing.assert_allclose(unpacked(data["layers"][0]["values"][0]), h, atol=np.ptp(h) / 500)

    p = model.predict(ids[None], verbose=0)[0]
    best = np.sort(p, axis=1)[:, ::-1][:, :5]
    np.testing.assert_allclose(np.array(data["p"]), best, atol=1e-4)
    np.testing.assert_allclose(np.take_along_axis(p, np.array(data["likeliest"]), axis=1), best, rtol=1e-5)
    assert data["bits"][0] is None and len(data["bits"]) == len(text)


def test_what_is_read_before_the_shown_text_is_not_in_the_page(tmp_path):
    vocabulary = Vocabulary.from_text(TEXT)
    model = built((layers.LSTM, 6), symbols=len(vocabulary))
    write_page(model, vocabulary, TEXT, tmp_path / "page.html", first=50, about="here")
    data = page_of(tmp_path / "page.html")[1]
    assert "".join(data["symbols"][id] for id in data["ids"]) == TEXT[50:]
    assert (data["lead"], data["about"]) == (50, "here") and data["bits"][0] > 0
    np.testing.assert_allclose(
        unpacked(data["layers"][0]["values"][0]), read(model, vocabulary.encode(TEXT), 50).layers[0]["h"], atol=0.005
    )


def test_the_page_needs_no_network_and_names_what_it_uses(tmp_path):
    vocabulary = Vocabulary.from_text(TEXT)
    write_page(built((layers.GRU, 3), symbols=len(vocabulary)), vocabulary, TEXT, tmp_path / "page.html")
    page, _ = page_of(tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert (
        "http:" not in html
        and "https:" not in html
        and "@import" not in html
        and "url(" not in html.replace("url(#", "")
    )
    assert all(attrs.get("src") is None for _, attrs in page.tags)
    assert [attrs["href"] for tag, attrs in page.tags if tag == "link"] == ["data:,"]
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in page.tags:
        for name in ("aria-labelledby", "aria-describedby", "for"):
            assert attrs.get(name) is None or attrs[name] in ids, attrs


def test_a_page_of_2000_characters_and_128_units_is_well_below_5_mb(tmp_path, rng):
    vocabulary = Vocabulary(" abcdefghijklmnopqrstuvwxyz.\n")
    text = vocabulary.decode(rng.integers(0, len(vocabulary), 2000))
    model = built((layers.LSTM, 128), symbols=len(vocabulary))
    assert write_page(model, vocabulary, text, tmp_path / "page.html") < 2_500_000


# -- in a browser -----------------------------------------------------------------


class Shown(HTMLParser):
    """What a browser has made of the page: its characters, their colours, and the texts of elements that have an id."""

    def __init__(self, html):
        super().__init__()
        self.characters, self.colours, self.texts, self.within = [], [], {}, []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if "data-t" in attributes:
            self.characters.append("")
            self.colours.append(attributes["style"])
        if tag not in ("meta", "link", "input", "path", "stop", "br"):
            self.within.append((tag, attributes))

    def handle_endtag(self, tag):
        while self.within and self.within.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if self.within and "data-t" in self.within[-1][1]:
            self.characters[-1] += data
        for _, attributes in self.within:
            if "id" in attributes:
                self.texts[attributes["id"]] = self.texts.get(attributes["id"], "") + data


@pytest.fixture
def look(tmp_path):
    """look(path, fragment) -> what a headless Chromium shows."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next((found for found in map(shutil.which, names) if found), None)
    if browser is None:
        pytest.skip("there is no Chromium to open the page in")

    def run(path, fragment=""):
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        options.append(f"--user-data-dir={tmp_path / 'profile'}")
        page = f"{path.as_uri()}{fragment}"
        done = subprocess.run([browser, *options, "--dump-dom", page], capture_output=True, timeout=120, check=True)
        return Shown(done.stdout.decode("utf-8"))

    return run


def test_a_browser_shows_each_character_and_colours_it(look, tmp_path):
    text, path = NASTY + TEXT[:100], tmp_path / "page.html"
    vocabulary = Vocabulary.from_text(text)
    model = built((layers.GRU, 4), (layers.LSTM, 6), symbols=len(vocabulary))
    write_page(model, vocabulary, text, path)
    shown = look(path, "#layer=1&value=c&unit=5")
    assert len(shown.characters) == len(text)
    assert all(mark == c or not c.isprintable() for mark, c in zip(shown.characters, text, strict=True))
    assert shown.characters[text.index("\n")] == "↵" and shown.characters[text.index("\0")] == "␀"
    assert shown.characters[text.index("\u202e")] == "U+202E"

    c = read(model, vocabulary.encode(text)).layers[1]["c"][:, 5]
    at = int(np.abs(c).argmax())
    assert f"Unit 5 of layer 2, cell state {c[at]:.2f}".replace("-", "−") in shown.texts["status"]
    assert shown.texts["plotted"].startswith("Unit 5 of layer 2: its cell state c")
    for value, colour in zip(c, shown.colours, strict=True):
        end, share = re.search(r"var\(--(low|high)\) ([\d.]+)%", colour).groups()
        signed = float(share) * (1 if end == "high" else -1)
        assert signed == pytest.approx(100 * value / abs(c[at]), abs=100 / 64 + 1)


def test_a_browser_shows_a_single_character_of_a_single_unit(look, tmp_path):
    write_page(built((layers.SimpleRNN, 1), symbols=2), Vocabulary("ab"), "a", tmp_path / "page.html")
    shown = look(tmp_path / "page.html")
    assert shown.characters == ["a"] and "SimpleRNN of 1 unit, 2 symbols" in shown.texts["about"]
    assert shown.texts["surprise"] == "Nothing was read before it, so nothing was expected."


# -- command --------------------------------------------------------------------


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    (folder / "book.txt").write_text(TEXT, encoding="utf-8", newline="\n")
    arguments = [
        "--corpus",
        str(folder / "book.txt"),
        "--hidden",
        "8",
        "--batch",
        "4",
        "--epochs",
        "1",
        "--window",
        "10",
    ]
    assert train.main([*arguments, "--quiet", "--out", str(folder / "run")]) == 0
    return folder


def shown(path):
    data = page_of(path)[1]
    return "".join(data["symbols"][id] for id in data["ids"]), data


def test_the_default_is_the_held_out_text_of_the_networks_own_corpus(learnt, capsys):
    assert visualize.main(["--model", str(learnt / "run"), "--length", "30"]) == 0
    text, data = shown(learnt / "run" / "units.html")
    start = int(len(TEXT) * 0.9)
    assert text == TEXT.lower()[start : start + 30]
    assert data["lead"] == start and data["about"] == f"book.txt, characters {start} to {start + 29}"
    assert "characters shown: 30, in" in capsys.readouterr().out


def test_a_text_or_a_part_of_a_corpus_is_shown(learnt, tmp_path):
    out = tmp_path / "page.html"
    assert visualize.main(["--model", str(learnt / "run"), "--text", "The OWL", "--out", str(out)]) == 0
    assert shown(out)[0] == "the owl"
    arguments = ["--corpus", str(learnt / "book.txt"), "--start", "4", "--length", "3"]
    assert visualize.main(["--model", str(learnt / "run"), *arguments, "--out", str(out)]) == 0
    text, data = shown(out)
    assert (text, data["lead"]) == ("owl", 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text", "owl?"], "textgen: --text has characters that the network has not learnt: '?'\n"),
        (["--text", ""], "textgen: --text must hold at least one character\n"),
        (["--start", "100000"], "textgen: --start must be below 438, the corpus' length, got 100,000\n"),
        (["--out", "no/such/folder/page.html"], "no/such/folder/page.html"),
    ],
)
def test_what_cannot_be_shown_is_one_line(learnt, arguments, message, capsys):
    assert visualize.main(["--model", str(learnt / "run"), *arguments]) == 1
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


def test_a_network_of_words_is_refused(run, capsys):
    assert visualize.main(["--model", str(run("--level", "word"))]) == 1
    assert "its network reads words, the page shows characters\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text", "a", "--corpus", "b"], "not allowed with argument"),
        (["--text", "a", "--start", "3"], "argument --start: not allowed with argument --text"),
        (["--length", "20001"], "must be a whole number from 1 to 20000"),
    ],
)
def test_options_that_contradict_are_usage_errors(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        visualize.settings(arguments)
    assert stop.value.code == 2 and message in capsys.readouterr().err
