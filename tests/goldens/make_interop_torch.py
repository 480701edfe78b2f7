"""Make interop/*.safetensors, state dicts of PyTorch, and interop/*.onnx, its graphs. README.md says how to run it.

Beside them, in interop/torch.npz, stand an input of each model and its output, batch first but for "time_first".
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

FOLDER = Path(__file__).parent / "interop"


class Text(nn.Module):
    """Two layers, two directions, from ids."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 3)
        self.lstm = nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        return torch.softmax(self.head(self.lstm(self.table(x))[0]), -1)


class Last(nn.Module):
    """The last state of both directions, whose names stand behind others."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleDict({"gru": nn.GRU(3, 4, bidirectional=True, batch_first=True)})
        self.classify = nn.Linear(8, 2)

    def forward(self, x):
        _, h = self.encoder["gru"](x)
        return self.classify(torch.cat([h[0], h[1]], -1))


class Plain(nn.Module):
    """No biases, relu, a Linear before the cells."""

    def __init__(self):
        super().__init__()
        self.project = nn.Linear(3, 4)
        self.rnn = nn.RNN(4, 4, num_layers=2, nonlinearity="relu", bias=False, batch_first=True)
        self.head = nn.Linear(4, 2, bias=False)

    def forward(self, x):
        return self.head(self.rnn(torch.tanh(self.project(x)))[0])


class Bare(nn.GRU):
    """Nothing but the cell."""

    def forward(self, x):
        return super().forward(x)[0]


class Step(nn.Module):
    """The last step's output."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


if __name__ == "__main__":
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    FOLDER.mkdir(exist_ok=True)
    arrays = {}
    values = rng.normal(size=(4, 6, 3)).astype("float32")
    for name, module, x in [
        ("text", Text(), rng.integers(0, 7, (4, 6))),
        ("last", Last(), values),
        ("plain", Plain(), values),
        ("bare", Bare(3, 5, num_layers=2, batch_first=True), values),
        ("double", Last().double(), values.astype("float64")),
        ("step", Step(), values),
        ("time_first", Bare(3, 4, num_layers=2), values),
    ]:
        if name in ("text", "last", "step", "plain", "time_first"):
            options = {"opset_version": 17, "dynamo": False, "dynamic_axes": {"x": {0: "a", 1: "b"}}}
            names = {"input_names": ["x"], "output_names": ["y"]}
            torch.onnx.export(module.eval(), (torch.tensor(x),), FOLDER / f"torch_{name}.onnx", **names, **options)
        if name not in ("step", "time_first"):
            save_file(module.state_dict(), FOLDER / f"torch_{name}.safetensors")
        with torch.no_grad():
            arrays |= {f"{name}/x": x, f"{name}/y": module(torch.tensor(x)).numpy()}
    np.savez_compressed(FOLDER / "torch.npz", **arrays, versions=np.array(torch.__version__))
