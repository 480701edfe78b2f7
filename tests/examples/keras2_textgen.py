"""Text in the manner of Nietzsche, as scripts for Keras 2.1 to 2.3 make it."""

# imports
import random
import sys

import numpy as np

from pyrnn import layers
from pyrnn.callbacks import LambdaCallback
from pyrnn.layers import Activation, Dense
from pyrnn.models import Sequential
from pyrnn.optimizers import RMSprop
from pyrnn.utils.data_utils import get_file


def sample(preds, temperature=1.0):
    """An index drawn from the probabilities `preds`, sharpened where `temperature` is below 1."""
    logs = np.log(np.asarray(preds).astype("float64")) / temperature
    weights = np.exp(logs)
    return np.argmax(np.random.multinomial(1, weights / np.sum(weights), 1))


def main(
    cell="LSTM",
    rate="lr",  # as Keras 2.1 calls it; "learning_rate" in 2.3
    activation_layer=True,  # as Keras 2.1 has it; 2.3 gives Dense its activation
    hidden_size=64,  # 128
    maxlen=40,  # 40
    batch_size=128,  # 128
    epochs=4,  # 60
    length=40,  # 400
):
    path = get_file("nietzsche.txt", origin="https://s3.amazonaws.com/text-datasets/nietzsche.txt")
    with open(path, encoding="utf-8") as f:
        text = f.read().lower()
    print("corpus length:", len(text))
    chars = sorted(set(text))
    print("total chars:", len(chars))
    char_indices = {c: i for i, c in enumerate(chars)}

    starts = range(0, len(text) - maxlen, 3)
    sentences = [text[i : i + maxlen] for i in starts]
    next_chars = [text[i + maxlen] for i in starts]
    print("nb sequences:", len(sentences))
    x = np.zeros((len(sentences), maxlen, len(chars)), dtype=bool)
    y = np.zeros((len(sentences), len(chars)), dtype=bool)
    for i, sentence in enumerate(sentences):
        for t, char in enumerate(sentence):
            x[i, t, char_indices[char]] = 1
        y[i, char_indices[next_chars[i]]] = 1

    model = Sequential()
    model.add(getattr(layers, cell)(hidden_size, input_shape=(maxlen, len(chars))))
    if activation_layer:
        model.add(Dense(len(chars)))
        model.add(Activation("softmax"))
    else:
        model.add(Dense(len(chars), activation="softmax"))
    optimizer = RMSprop(**{rate: 0.01})
    model.compile(loss="categorical_crossentropy", optimizer=optimizer)

    def on_epoch_end(epoch, _):
        print("\n----- Generating text after Epoch:", epoch)
        start_index = random.randint(0, len(text) - maxlen - 1)
        for diversity in [0.2, 0.5, 1.0, 1.2]:
            print("----- diversity:", diversity)
            sentence = text[start_index : start_index + maxlen]
            for _ in range(length):
                x_pred = np.zeros((1, maxlen, len(chars)))
                for t, char in enumerate(sentence):
                    x_pred[0, t, char_indices[char]] = 1.0
                preds = model.predict(x_pred, verbose=0)[0]
                next_char = chars[sample(preds, diversity)]
                sentence = sentence[1:] + next_char
                sys.stdout.write(next_char)
                sys.stdout.flush()
            print()

    print_callback = LambdaCallback(on_epoch_end=on_epoch_end)
    model.fit(x, y, batch_size=batch_size, epochs=epochs, callbacks=[print_callback])
    return model, x, y


if __name__ == "__main__":
    main()
