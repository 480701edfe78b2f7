"""Sums as text, character by character, as scripts for Keras 2.1 to 2.3 do it."""

# imports
import numpy as np

from pyrnn import layers
from pyrnn.models import Sequential


class CharacterTable:
    """Text to boolean one-hot rows and back."""

    def __init__(self, chars):
        self.chars = sorted(set(chars))
        self.place = {char: index for index, char in enumerate(self.chars)}

    def encode(self, text, rows):
        x = np.zeros((rows, len(self.chars)))
        for row, char in enumerate(text):
            x[row, self.place[char]] = 1
        return x

    def decode(self, x, calc_argmax=True):
        if calc_argmax:
            x = x.argmax(axis=-1)
        return "".join(self.chars[index] for index in x)


def questions_and_answers(size, digits, rng):
    """Pairs of texts, no sum twice in either order; the questions stand backwards."""
    maxlen, seen, questions, answers = 2 * digits + 1, set(), [], []
    while len(questions) < size:
        a, b = (int(rng.integers(10 ** rng.integers(1, digits + 1))) for _ in range(2))
        if (key := tuple(sorted((a, b)))) not in seen:
            seen.add(key)
            questions.append(f"{a}+{b}".ljust(maxlen)[::-1])
            answers.append(str(a + b).ljust(digits + 1))
    return questions, answers


def main(
    cell="LSTM",
    time_distributed_softmax=False,  # as Keras 2.3's has it; 2.1's puts an Activation behind
    training_size=50,  # 50000
    digits=1,  # 3
    hidden_size=64,  # 128
    batch_size=5,  # 128
    iterations=121,  # 199
    seed=1,
):
    RNN = getattr(layers, cell)
    rng = np.random.default_rng(seed)
    maxlen = 2 * digits + 1
    table = CharacterTable("0123456789+ ")
    questions, answers = questions_and_answers(training_size, digits, rng)
    x = np.zeros((len(questions), maxlen, len(table.chars)), dtype=bool)
    y = np.zeros((len(questions), digits + 1, len(table.chars)), dtype=bool)
    for i, question in enumerate(questions):
        x[i] = table.encode(question, maxlen)
    for i, answer in enumerate(answers):
        y[i] = table.encode(answer, digits + 1)
    order = np.arange(len(y))
    rng.shuffle(order)
    x, y = x[order], y[order]
    split_at = len(x) - len(x) // 10
    x_train, x_val = x[:split_at], x[split_at:]
    y_train, y_val = y[:split_at], y[split_at:]

    model = Sequential()
    model.add(RNN(hidden_size, input_shape=(maxlen, len(table.chars))))
    model.add(layers.RepeatVector(digits + 1))
    for _ in range(1):
        model.add(RNN(hidden_size, return_sequences=True))
    if time_distributed_softmax:
        model.add(layers.TimeDistributed(layers.Dense(len(table.chars), activation="softmax")))
    else:
        model.add(layers.TimeDistributed(layers.Dense(len(table.chars))))
        model.add(layers.Activation("softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    model.summary()

    for iteration in range(1, iterations):
        print("Iteration", iteration)
        model.fit(x_train, y_train, batch_size=batch_size, epochs=1, validation_data=(x_val, y_val))
        for _ in range(10):
            ind = rng.integers(0, len(x_val))
            rowx, rowy = x_val[np.array([ind])], y_val[np.array([ind])]
            preds = model.predict_classes(rowx, verbose=0)
            question, correct = table.decode(rowx[0]), table.decode(rowy[0])
            guess = table.decode(preds[0], calc_argmax=False)
            print("Q", question[::-1], "T", correct, "\u2611" if correct == guess else "\u2612", guess)
    return model, x_train, y_train


if __name__ == "__main__":
    main()
