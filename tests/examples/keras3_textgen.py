"""Text in the manner of Nietzsche, as the page of Keras 3 makes it."""

# imports
import random

import numpy as np

import pyrnn as keras
from pyrnn import layers


def sample(preds, temperature=1.0):
    """An index drawn from the probabilities `preds`, sharpened where `temperature` is below 1."""
    scaled = np.exp(np.log(np.asarray(preds).astype("float64")) / temperature)
    return np.argmax(np.random.multinomial(1, scaled / np.sum(scaled), 1))


def main(
    cell="LSTM",
    hidden_size=64,  # 128
    maxlen=40,  # 40
    batch_size=128,  # 128
    epochs=4,  # 40
    length=40,  # 400
):
    path = keras.utils.get_file("nietzsche.txt", origin="https://s3.amazonaws.com/text-datasets/nietzsche.txt")
    with open(path, encoding="utf-8") as f:
        text = f.read().lower()
    text = text.replace("\n", " ")
    print("Corpus length:", len(text))
    chars = sorted(set(text))
    print("Total chars:", len(chars))
    char_indices = {char: i for i, char in enumerate(chars)}

    sentences, next_chars = [], []
    for i in range(0, len(text) - maxlen, 3):
        sentences.append(text[i : i + maxlen])
        next_chars.append(text[i + maxlen])
    print("Number of sequences:", len(sentences))
    x = np.zeros((len(sentences), maxlen, len(chars)), dtype="bool")
    y = np.zeros((len(sentences), len(chars)), dtype="bool")
    for i, sentence in enumerate(sentences):
        x[i, np.arange(maxlen), [char_indices[char] for char in sentence]] = 1
        y[i, char_indices[next_chars[i]]] = 1

    model = keras.Sequential(
        [
            keras.Input(shape=(maxlen, len(chars))),
            getattr(layers, cell)(hidden_size),
            layers.Dense(len(chars), activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.RMSprop(learning_rate=0.01)
    model.compile(loss="categorical_crossentropy", optimizer=optimizer)

    for epoch in range(epochs):
        model.fit(x, y, batch_size=batch_size, epochs=1)
        print("\nGenerating text after epoch:", epoch)
        start_index = random.randint(0, len(text) - maxlen - 1)
        for diversity in [0.2, 0.5, 1.0, 1.2]:
            print("Diversity:", diversity)
            generated = ""
            sentence = text[start_index : start_index + maxlen]
            for _ in range(length):
                x_pred = np.zeros((1, maxlen, len(chars)))
                for t, char in enumerate(sentence):
                    x_pred[0, t, char_indices[char]] = 1.0
                preds = model.predict(x_pred, verbose=0)[0]
                next_char = chars[sample(preds, diversity)]
                sentence = sentence[1:] + next_char
                generated += next_char
            print("Generated:", generated)
    return model, x, y


if __name__ == "__main__":
    main()
