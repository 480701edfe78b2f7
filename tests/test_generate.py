"""Text that a model writes: the right distribution, the same text for the same seed, and one clear sentence for what fails."""

import numpy as np
import pytest

import pyrnn
from pyrnn import layers
from pyrnn import reference as ref
from pyrnn.text import Vocabulary, generate, generate_batch

VOCABULARY = Vocabulary("abcdefghijk")
V = len(VOCABULARY)


def model_of(*stack, steps=None, features=V, dtype="float32"):
    pyrnn.utils.set_random_seed(3)
    return pyrnn.Sequential([pyrnn.Input((steps, features)), *stack], dtype=dtype)


def writer(units=24, steps=None, dtype="float32"):
    """A model with opinions: what it writes depends on what it has read."""
    model = model_of(
        layers.LSTM(units, return_sequences=True),
        layers.GRU(17),
        layers.Dense(V, activation="softmax"),
        steps=steps,
        dtype=dtype,
    )
    *others, kernel, bias = model.get_weights()
    model.set_weights([*others, kernel * 8, bias])
    return model


def text_of(*args, **options):
    return "".join(generate(*args, **options))


# -- what is written ----------------------------------------------------------


def written_by_hand(model, prompt, length, seed, temperature=1.0, top_k=None, top_p=None, window=None):
    """A plain loop: all that was read so far, or the last `window`, from a zero state through `predict`."""
    ids = list(VOCABULARY.encode(prompt))
    for position in range(length):
        x = np.array([ids[-window:] if window else ids])
        p = model.predict(x, verbose=0).astype(float)
        logits = np.log(p[:, -1] if p.ndim == 3 else p)
        ids.append(int(ref.sample_ids(logits, [seed], position, temperature, top_k or 0, top_p or 1.0)[0]))
    return VOCABULARY.decode(ids[len(prompt) :])


OPTIONS = [{}, {"temperature": 0.0}, {"temperature": 0.7, "top_k": 5}, {"temperature": 1.3, "top_p": 0.9}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_stateful_is_a_plain_loop_over_all_that_was_read(options, dtype):
    model = writer(dtype=dtype)
    expected = written_by_hand(model, "fade", 40, 5, **options)
    assert text_of(model, VOCABULARY, "fade", 40, seed=5, **options) == expected
    assert len(set(expected)) > 1


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("prompt", ["fadedcabbage", "fad"])
def test_window_is_a_plain_loop_over_the_last_characters(options, prompt):
    model, fixed = writer(), writer(steps=7)
    expected = written_by_hand(model, prompt, 40, 5, window=7, **options)
    assert text_of(model, VOCABULARY, prompt, 40, seed=5, mode="window", window=7, **options) == expected
    assert text_of(fixed, VOCABULARY, prompt, 40, seed=5, mode="window", **options) == expected
    if options.get("temperature") != 0:  # the likeliest character is soon the same for ever
        assert expected != written_by_hand(model, prompt, 40, 5, **options)


@pytest.mark.parametrize(
    "model",
    [
        lambda: model_of(layers.LSTM(9, return_sequences=True), layers.Dense(V, activation="softmax")),
        lambda: model_of(layers.SimpleRNN(9), layers.Dense(V), layers.Dropout(0.5), layers.Activation("softmax")),
        lambda: model_of(layers.GRU(9, return_sequences=True), layers.TimeDistributed(layers.Dense(V, "softmax"))),
        lambda: pyrnn.Sequential(
            [layers.Embedding(V, 5, input_shape=(None,)), layers.LSTM(9), layers.Dense(V, activation="softmax")]
        ),
        lambda: pyrnn.Sequential(
            [layers.OneHot(V, input_shape=(None,)), layers.LSTM(9), layers.Dense(V, activation="softmax")]
        ),
    ],
)
def test_other_models_write_too(model):
    model = model()
    assert text_of(model, VOCABULARY, "face", 30, seed=8) == written_by_hand(model, "face", 30, 8)


def test_a_model_of_logits_writes_what_its_softmax_would():
    model = writer()
    logits = model_of(layers.LSTM(24, return_sequences=True), layers.GRU(17), layers.Dense(V))
    logits.set_weights(model.get_weights())
    assert text_of(logits, VOCABULARY, "bed", 50, seed=1) == text_of(model, VOCABULARY, "bed", 50, seed=1)


def test_probabilities_that_are_zero_in_float32_keep_their_order():
    """Softmax gives 0 for logits 200 below the largest; at temperature 200 they are drawn all the same."""
    model = model_of(layers.LSTM(3), layers.Dense(V, activation="softmax"))
    model.set_weights([*(0 * w for w in model.get_weights()[:-1]), -200.0 * np.arange(V)])
    text = text_of(model, VOCABULARY, "a", 500, temperature=200.0, seed=3)
    logits = -np.arange(V, dtype=float)[None]
    assert VOCABULARY.encode(text).tolist() == [int(ref.sample_ids(logits, [3], i)[0]) for i in range(500)]
    assert "e" in text


def test_logits_that_are_not_finite_are_told_as_they_come():
    model = model_of(layers.LSTM(3), layers.Dense(V, activation="softmax"))
    model.set_weights([*model.get_weights()[:-1], np.full(V, np.nan)])
    text = generate(model, VOCABULARY, "a", 5)
    with pytest.raises(
        ValueError, match="generate: nothing can be drawn .* the largest logit must be finite, got -?nan"
    ):
        next(text)


# -- the same seed, the same text ---------------------------------------------


def test_a_seed_decides_the_text():
    model = writer()
    texts = [text_of(model, VOCABULARY, "a", 100, seed=seed) for seed in (0, 0, 1, 2**64 - 1)]
    assert texts[0] == texts[1] and len(set(texts)) == 3
    pyrnn.utils.set_random_seed(9)
    first = text_of(model, VOCABULARY, "a", 100)
    assert text_of(model, VOCABULARY, "a", 100) != first
    pyrnn.utils.set_random_seed(9)
    assert text_of(model, VOCABULARY, "a", 100) == first


@pytest.mark.parametrize("mode", [{}, {"mode": "window", "window": 5}], ids=str)
def test_threads_do_not_change_the_text(mode):
    model = writer(512)
    texts = []
    try:
        for threads in (1, 2, 3):
            pyrnn.set_num_threads(threads)
            texts.append(generate_batch(model, VOCABULARY, ["a", "bcd"], 8, seed=2, **mode))
    finally:
        pyrnn.set_num_threads(0)
    assert texts[0] == texts[1] == texts[2]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 63, 64, 65, 127, 128, 300])
def test_a_shorter_text_is_the_beginning_of_a_longer_one(length):
    model = writer()
    text = text_of(model, VOCABULARY, "beach", length, seed=4)
    assert len(text) == length
    assert text == text_of(model, VOCABULARY, "beach", 300, seed=4)[:length]


def test_the_next_characters_come_without_those_after_them():
    """The iterator may be left at any time, and follows the model's weights."""
    model = writer()
    text = generate(model, VOCABULARY, "beach", 2**20, seed=4)
    first = [next(text) for _ in range(200)]
    assert "".join(first) == text_of(model, VOCABULARY, "beach", 200, seed=4)
    model.set_weights([np.zeros_like(w) for w in model.get_weights()[:-1]] + [np.eye(V, dtype="f4")[3] * 1000])
    assert set([next(text) for _ in range(300)][-100:]) == {"d"}


def test_texts_do_not_touch_each_other_nor_the_model():
    model = writer()
    weights = model.get_weights()
    expected = [text_of(model, VOCABULARY, prompt, 90, seed=1) for prompt in ("abba", "cab")]
    pairs = zip(*(generate(model, VOCABULARY, prompt, 90, seed=1) for prompt in ("abba", "cab")), strict=True)
    assert ["".join(text) for text in zip(*pairs, strict=True)] == expected
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_stateful_layer_keeps_its_own_state():
    model = model_of(layers.LSTM(8, stateful=True), layers.Dense(V, activation="softmax"))
    model.predict(np.array([[1, 2, 3]]), verbose=0)
    kept = [array.copy() for array in model.layers[0].kept_state]
    text = text_of(model, VOCABULARY, "a", 30, seed=1)
    np.testing.assert_array_equal(model.layers[0].kept_state, kept)
    assert text == text_of(model, VOCABULARY, "a", 30, seed=1)


# -- batches ------------------------------------------------------------------


@pytest.mark.parametrize("mode", [{}, {"mode": "window", "window": 4}], ids=str)
@pytest.mark.parametrize("length", [1, 75])
def test_rows_of_a_batch_are_the_texts_alone(mode, length):
    model, prompts = writer(), ["a", "cabbage", "bead", "cabbage"]
    temperatures = [0.0, 0.5, 1.0, 1.5]
    texts = generate_batch(model, VOCABULARY, prompts, length, temperatures, top_p=0.95, seed=7, **mode)
    alone = [
        text_of(model, VOCABULARY, prompt, length, temperature, top_p=0.95, seed=7 + i, **mode)
        for i, (prompt, temperature) in enumerate(zip(prompts, temperatures, strict=True))
    ]
    assert texts == alone


def test_one_prompt_or_one_temperature_is_for_all_rows():
    model = writer()
    assert generate_batch(model, VOCABULARY, "ab", 20, [0.3, 1.0], seed=1) == [
        text_of(model, VOCABULARY, "ab", 20, temperature, seed=seed) for seed, temperature in ((1, 0.3), (2, 1.0))
    ]
    assert generate_batch(model, VOCABULARY, ("ab", "c"), 20, np.float32(0.5), seed=1) == [
        text_of(model, VOCABULARY, prompt, 20, 0.5, seed=seed) for seed, prompt in ((1, "ab"), (2, "c"))
    ]
    one = generate_batch(model, VOCABULARY, "ab", 20, np.array([0.3]), seed=2**64 - 1)
    assert one == [text_of(model, VOCABULARY, "ab", 20, np.array([0.3])[0], seed=2**64 - 1)]
    assert len(set(generate_batch(model, VOCABULARY, ["ab"] * 4, 20, seed=1))) == 4


@pytest.mark.parametrize("stop", ["d", "ab", "cda", "jjkj"])
@pytest.mark.parametrize("seed", range(8))
def test_a_text_ends_with_stop(stop, seed):
    model = model_of(layers.LSTM(3), layers.Dense(V, activation="softmax"))
    model.set_weights([*(0 * w for w in model.get_weights()[:-1]), -0.4 * np.arange(V)])
    whole = text_of(model, VOCABULARY, stop, 400, seed=seed)
    before, found, _ = whole.partition(stop)
    assert text_of(model, VOCABULARY, stop, 400, seed=seed, stop=stop) == before + found
    texts = generate_batch(model, VOCABULARY, [stop, stop + "a"], 400, seed=seed, stop=stop)
    assert texts[0] == before + found
    assert texts[1] == text_of(model, VOCABULARY, stop + "a", 400, seed=seed + 1, stop=stop)


# -- what is refused ----------------------------------------------------------

BAD = [
    ({"prompt": ""}, ValueError, "must hold at least one character, which the model reads first, got ''"),
    ({"prompt": "abX"}, ValueError, "must be made of the vocabulary's 11 symbols, got 'X' at position 2"),
    ({"prompt": 3}, TypeError, "must be a str, got int"),
    ({"length": -1}, ValueError, "length must be at least 0, got -1"),
    ({"length": 1.5}, TypeError, "length must be an integer, got 1.5"),
    ({"temperature": -0.1}, ValueError, "temperature must be at least 0, got -0.1"),
    ({"temperature": np.nan}, ValueError, "temperature must be finite, got nan"),
    ({"temperature": np.inf}, ValueError, "temperature must be finite, got inf"),
    ({"temperature": "hot"}, TypeError, "temperature must be a number, got 'hot'"),
    ({"top_k": 0}, ValueError, "top_k must be at least 1, got 0"),
    ({"top_k": 2.0}, TypeError, "top_k must be an integer, got 2.0"),
    ({"top_p": 0.0}, ValueError, "top_p must be more than 0, got 0"),
    ({"top_p": 1.01}, ValueError, "top_p must be at most 1, got 1.01"),
    ({"top_p": np.nan}, ValueError, "top_p must be finite, got nan"),
    ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
    ({"seed": 2**64}, ValueError, r"seed must be less than 2\*\*64, got 18446744073709551616"),
    ({"mode": "windows"}, ValueError, "mode must be one of 'stateful', 'window', got 'windows'"),
    ({"mode": "window"}, ValueError, "mode='window' needs window, since the model reads any number of steps"),
    ({"mode": "window", "window": 0}, ValueError, "window must be at least 1, got 0"),
    ({"window": 4}, ValueError, "window must not be given with mode='stateful', which reads all, got 4"),
    ({"stop": ""}, ValueError, "stop must hold at least one character, got ''"),
    ({"stop": "a\n"}, ValueError, r"stop must be made of the vocabulary's 11 symbols, got '\\n' at position 1"),
    ({"stop": 1}, TypeError, "stop must be a str or None, got int"),
    ({"vocabulary": "abcdefghijk"}, TypeError, "vocabulary must be a Vocabulary or Words, got str"),
    ({"vocabulary": Vocabulary("abc")}, ValueError, "model must read the vocabulary's 3 symbols, but it reads 11"),
]


@pytest.mark.parametrize(("options", "error", "words"), BAD, ids=lambda value: str(value)[:40])
def test_bad_arguments_are_refused_at_once(options, error, words):
    given = {"model": writer(), "vocabulary": VOCABULARY, "prompt": "ab", "length": 3, **options}
    with pytest.raises(error, match=f"generate: .*{words}"):
        generate(**given)
    prompt = given.pop("prompt")
    with pytest.raises(error, match=f"generate_batch: .*{words}"):
        generate_batch(prompts=["a", prompt], **given)


@pytest.mark.parametrize(
    ("prompts", "temperatures", "got"),
    [([], 1.0, "0 and 0"), ("a", [], "0 and 0"), (["a", "b"], [1.0], "1 and 2"), (["a"], [1.0, 0.5], "2 and 1")],
)
def test_numbers_of_prompts_and_temperatures_that_differ_are_refused(prompts, temperatures, got):
    with pytest.raises(ValueError, match=f"there must be as many temperatures as prompts, got {got}"):
        generate_batch(writer(), VOCABULARY, prompts, 3, temperatures)


def test_a_window_other_than_the_model_s_steps_is_refused():
    with pytest.raises(ValueError, match="generate: window must be the model's 7 steps, got 8"):
        generate(writer(steps=7), VOCABULARY, "a", 3, mode="window", window=8)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda: model_of(layers.LSTM(4), layers.Dense(5, activation="softmax")), "an output for each .* 11 .* got 5"),
        (lambda: model_of(layers.LSTM(4), layers.Dense(V, activation="sigmoid")), "must end with softmax, or .*Dense"),
        (lambda: model_of(layers.LSTM(V)), "must end with softmax, or .*LSTM"),
        (lambda: model_of(layers.Dense(V, "softmax"), layers.Activation("linear")), "must end with softmax"),
        (
            lambda: pyrnn.Sequential(
                [layers.Embedding(V, 5, mask_zero=True, input_shape=(None,)), layers.LSTM(4), layers.Dense(V)]
            ),
            "must read every id as a symbol, but 0 is padding",
        ),
        (lambda: model_of(layers.LayerNormalization(), layers.Dense(V)), "must read sequences of ids"),
        (lambda: pyrnn.Sequential([pyrnn.Input((V,)), layers.Dense(V)]), "must read sequences of ids"),
        (lambda: pyrnn.Sequential([layers.LSTM(4), layers.Dense(V)]), "must have its shapes"),
        (
            lambda: model_of(layers.Bidirectional(layers.LSTM(4)), layers.Dense(V)),
            "Bidirectional needs its whole sequence",
        ),
    ],
)
def test_models_that_do_not_fit_are_refused(model, words):
    with pytest.raises(ValueError, match=words):
        generate(model(), VOCABULARY, "a", 3)


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="generate: model must be a Sequential, got str"):
        generate("model", VOCABULARY, "a", 3)
