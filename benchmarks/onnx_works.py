"""The works without training in ONNX Runtime: its operator of a layer, time first; one-hot vectors made before the clock."""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from .works import Array, Work, sample

_threads = 1

OPERATORS = {"LSTM": "LSTM", "GRU": "GRU", "SimpleRNN": "RNN"}


def weights(work: Work) -> dict[str, Array]:
    """ONNX's W [D, GH, I], R [D, GH, H] and B [D, 2GH], of D directions.

    The gates of an LSTM stand i o f c where Keras has i f c o.
    """

    def gates(array: Array) -> Array:
        if work.cell != "LSTM":
            return array
        i, f, c, o = np.split(array, 4, axis=-1)
        return np.concatenate([i, o, f, c], axis=-1)

    arrays = [gates(array) for array in work.weights()]
    biases = [b.ravel() if work.cell == "GRU" else np.concatenate([b, np.zeros_like(b)]) for b in arrays[2::3]]
    return {
        "W": np.stack([kernel.T for kernel in arrays[0::3]]),
        "R": np.stack([kernel.T for kernel in arrays[1::3]]),
        "B": np.stack(biases),
    }


def session(work: Work) -> ort.InferenceSession:
    """x [T, B, I] -> y [T, D, B, H], of D directions; in a stream also h and c [1, B, H] in and out."""
    T, B, I, H, D = work.steps, work.batch, work.inputs, work.hidden, work.directions
    state = work.kind == "stream"

    def signal(name: str, shape: list[int]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    names_in = ["x", "W", "R", "B", "", "h", "c"] if state else ["x", "W", "R", "B"]
    names_out = ["", "h_next", "c_next"] if state else ["y"]
    states_in = [signal(name, [1, B, H]) for name in ("h", "c")]
    outputs = [signal(name, [1, B, H]) for name in names_out[1:]] if state else [signal("y", [T, D, B, H])]
    options: dict[str, int | str] = {"direction": "bidirectional" if work.bidirectional else "forward"}
    if work.cell == "GRU":
        options["linear_before_reset"] = 1  # Keras' reset_after
    graph = helper.make_graph(
        [helper.make_node(OPERATORS[work.cell], names_in, names_out, hidden_size=H, **options)],
        "recurrent",
        [signal("x", [T, B, I]), *(states_in if state else [])],
        outputs,
        [numpy_helper.from_array(array, name) for name, array in weights(work).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = _threads
    settings.inter_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])


class Step:
    """One step and its state. Inputs and outputs are bound once; two sets of states take turns as input and output."""

    def __init__(self, work: Work) -> None:
        x = work.data()[0][:, 0]
        self.x = ort.OrtValue.ortvalue_from_numpy(np.zeros((1, 1, work.inputs), np.float32))
        self.steps = list((np.eye(work.inputs, dtype=np.float32)[x] if work.ids else x)[:, None, None])
        self.session = session(work)
        states = [
            [ort.OrtValue.ortvalue_from_numpy(np.zeros((1, 1, work.hidden), np.float32)) for _ in "hc"] for _ in "ab"
        ]
        self.bindings = [self.bind(states[0], states[1]), self.bind(states[1], states[0])]
        self.h = [states[1][0], states[0][0]]

    def bind(self, before: list[ort.OrtValue], after: list[ort.OrtValue]) -> ort.IOBinding:
        binding = self.session.io_binding()
        binding.bind_ortvalue_input("x", self.x)
        for name, value, next_value in zip("hc", before, after, strict=True):
            binding.bind_ortvalue_input(name, value)
            binding.bind_ortvalue_output(f"{name}_next", next_value)
        return binding

    def run(self) -> None:
        """An even number of steps, so that the state ends where the next run begins."""
        run, update, bindings = self.session.run_with_iobinding, self.x.update_inplace, self.bindings
        for k, x in enumerate(self.steps):
            update(x)
            run(bindings[k & 1])

    def answer(self, steps: int) -> list[float]:
        values: list[float] = []
        for k, x in enumerate(self.steps[:steps]):
            self.x.update_inplace(x)
            self.session.run_with_iobinding(self.bindings[k & 1])
            values += self.h[k & 1].numpy()[0, 0, :4].tolist()
        return values


def batches(work: Work) -> list[Array]:
    """[T, B, I] each."""
    x = work.data()[0]
    if work.ids:
        x = np.eye(work.inputs, dtype=np.float32)[x]
    return [np.ascontiguousarray(batch.swapaxes(0, 1)) for batch in np.split(x, work.batches)]


def answer(work: Work) -> list[float]:
    if work.kind == "stream":
        return Step(work).answer(50)
    x = batches(work)[0]
    return sample(session(work).run(None, {"x": x})[0].transpose(2, 0, 1, 3))  # [B, T, D, H]


def go(work: Work) -> Callable[[], object]:
    if work.kind == "stream":
        return Step(work).run
    forward, xs = session(work), batches(work)

    def run() -> None:
        for x in xs:
            forward.run(None, {"x": x})

    return run


def describe() -> str:
    return f"ONNX Runtime {ort.__version__}"


def set_threads(threads: int) -> None:
    global _threads
    _threads = threads
