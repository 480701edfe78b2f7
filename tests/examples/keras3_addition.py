"""Sums as text, character by character, as the page of Keras 3 does it."""

# imports
import numpy as np

import pyrnn as keras
from pyrnn import layers


class CharacterTable:
    """Text to one-hot rows and back."""

    def __init__(self, chars):
        self.chars = sorted(set(chars))

    def encode(self, text, num_rows):
        x = np.zeros((num_rows, len(self.chars)))
        x[np.arange(len(text)), [self.chars.index(char) for char in text]] = 1
        return x

    def decode(self, x, calc_argmax=True):
        if calc_argmax:
            x = x.argmax(axis=-1)
        return "".join(self.chars[index] for index in x)


def questions_and_answers(size, digits, rng):
    """Pairs of texts, no sum twice in either order; the questions stand backwards."""
    maxlen, found = 2 * digits + 1, {}
    while len(found) < size:
        a, b = sorted(int(rng.integers(10 ** rng.integers(1, digits + 1))) for _ in range(2))
        if (a, b) not in found:
            left, right = (a, b) if rng.random() < 0.5 else (b, a)
            found[a, b] = f"{left}+{right}".ljust(maxlen)[::-1], str(a + b).ljust(digits + 1)
    return zip(*found.values(), strict=True)


def main(
    cell="LSTM",
    training_size=50,  # 50000
    digits=1,  # 3
    hidden_size=64,  # 128
    batch_size=5,  # 32
    epochs=121,  # 30
    seed=1,
):
    rng = np.random.default_rng(seed)
    maxlen = 2 * digits + 1
    ctable = CharacterTable("0123456789+ ")
    questions, expected = (list(texts) for texts in questions_and_answers(training_size, digits, rng))
    x = np.zeros((len(questions), maxlen, len(ctable.chars)), dtype=bool)
    y = np.zeros((len(questions), digits + 1, len(ctable.chars)), dtype=bool)
    for i, sentence in enumerate(questions):
        x[i] = ctable.encode(sentence, maxlen)
    for i, sentence in enumerate(expected):
        y[i] = ctable.encode(sentence, digits + 1)
    indices = rng.permutation(len(y))
    x, y = x[indices], y[indices]
    split_at = len(x) - len(x) // 10
    (x_train, x_val), (y_train, y_val) = np.split(x, [split_at]), np.split(y, [split_at])

    num_layers = 1
    model = keras.Sequential()
    model.add(layers.Input((maxlen, len(ctable.chars))))
    model.add(getattr(layers, cell)(hidden_size))
    model.add(layers.RepeatVector(digits + 1))
    for _ in range(num_layers):
        model.add(getattr(layers, cell)(hidden_size, return_sequences=True))
    model.add(layers.Dense(len(ctable.chars), activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    model.summary()

    for epoch in range(1, epochs):
        print("Iteration", epoch)
        model.fit(x_train, y_train, batch_size=batch_size, epochs=1, validation_data=(x_val, y_val))
        for _ in range(10):
            ind = rng.integers(0, len(x_val))
            rowx, rowy = x_val[np.array([ind])], y_val[np.array([ind])]
            preds = np.argmax(model.predict(rowx), axis=-1)
            question, correct = ctable.decode(rowx[0]), ctable.decode(rowy[0])
            guess = ctable.decode(preds[0], calc_argmax=False)
            print("Q", question[::-1], "T", correct, "\u2611" if correct == guess else "\u2612", guess)
    return model, x_train, y_train


if __name__ == "__main__":
    main()
