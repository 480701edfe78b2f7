"""The compiled engine. Private: the public names are in `pyrnn` itself."""

from collections.abc import Sequence
from typing import Any, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
States: TypeAlias = Sequence[Array] | None
Fed: TypeAlias = Array | tuple[Array, npt.NDArray[np.int64] | None, States, States, Array | None]

class CpuInfo(TypedDict):
    isa: str
    available: list[str]
    threads: int
    openmp: bool

class OptimizerState(TypedDict):
    iterations: int
    slots: dict[str, dict[tuple[int, str], Array]]  # by Keras' names, then by the weight's op and name, in its shape

def cpu_info() -> CpuInfo:
    """The instruction set in use, those available, the number of threads, and whether OpenMP is built in."""

def get_num_threads() -> int: ...
def set_num_threads(n: int) -> None:
    """Use `n` threads from now on, and in children of a fork; 0 is the default: PYRNN_NUM_THREADS, else as many as there are
    processors for this process by its affinity and control groups, or fewer, if OpenMP wants fewer.
    """

def cgroup_limit(root: str = "") -> float:
    """The processors that the control groups of this process allow, infinity without a limit; by the files under `root`."""

def fma_peak(dtype: str) -> float:
    """Flops per second of fused multiply-adds on registers of this dtype, all threads at work, measured in 0.1 s."""

def one_hot_ids(x: Array) -> npt.NDArray[np.int32] | None:
    """Ids [...] of x [..., V] (bool, uint8, float32, float64) where every last-axis row is exactly one-hot, else None."""

def lstm_forward(
    x: Array,
    h0: Array,
    c0: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    dropout_mask: Array | None = None,
    recurrent_mask: Array | None = None,
    zoneout_mask: Array | None = None,
) -> tuple[Array, Array, Array]: ...
def lstm_backward(
    dh: Array,
    dc: Array,
    x: Array,
    h0: Array,
    c0: Array,
    kernel: Array,
    recurrent_kernel: Array,
    h: Array,
    c: Array,
    gates: Array,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    dropout_mask: Array | None = None,
    recurrent_mask: Array | None = None,
    zoneout_mask: Array | None = None,
) -> tuple[Array | None, Array, Array, Array, Array, Array]: ...
def gru_forward(
    x: Array,
    h0: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    reset_after: bool = True,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    dropout_mask: Array | None = None,
    recurrent_mask: Array | None = None,
    zoneout_mask: Array | None = None,
) -> tuple[Array, Array]: ...
def gru_backward(
    dh: Array,
    x: Array,
    h0: Array,
    kernel: Array,
    recurrent_kernel: Array,
    h: Array,
    gates: Array,
    reset_after: bool = True,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    dropout_mask: Array | None = None,
    recurrent_mask: Array | None = None,
    zoneout_mask: Array | None = None,
) -> tuple[Array | None, Array, Array, Array, Array]: ...
def layer_norm_lstm_forward(
    x: Array,
    h0: Array,
    c0: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    gamma: Array,
    gamma_h: Array,
    beta_h: Array,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> tuple[Array, Array]: ...
def layer_norm_lstm_backward(
    dh: Array,
    dc: Array,
    x: Array,
    h0: Array,
    c0: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    gamma: Array,
    gamma_h: Array,
    beta_h: Array,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> tuple[Array | None, Array, Array, Array, Array, Array, Array, Array, Array]: ...
def layer_norm_gru_forward(
    x: Array,
    h0: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    gamma: Array,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> Array: ...
def layer_norm_gru_backward(
    dh: Array,
    x: Array,
    h0: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    gamma: Array,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> tuple[Array | None, Array, Array, Array, Array, Array]: ...
def simple_rnn_forward(
    x: Array,
    h0: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    activation: str = "tanh",
    dropout_mask: Array | None = None,
    recurrent_mask: Array | None = None,
    zoneout_mask: Array | None = None,
) -> Array: ...
def simple_rnn_backward(
    dh: Array,
    x: Array,
    h0: Array,
    kernel: Array,
    recurrent_kernel: Array,
    h: Array,
    activation: str = "tanh",
    dropout_mask: Array | None = None,
    recurrent_mask: Array | None = None,
    zoneout_mask: Array | None = None,
) -> tuple[Array | None, Array, Array, Array, Array]: ...
def dense_forward(x: Array, kernel: Array, bias: Array, activation: str) -> Array: ...
def dense_backward(
    dy: Array, x: Array, kernel: Array, y: Array, activation: str
) -> tuple[Array | None, Array, Array]: ...
def embedding_forward(ids: Array, embeddings: Array) -> Array: ...
def embedding_backward(dy: Array, ids: Array, V: int) -> Array: ...
def crossentropy(z: Array, y: Array) -> tuple[float, Array]: ...
def sample_ids(
    z: Array, keys: Sequence[int], position: int, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> npt.NDArray[np.int32]: ...
def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) of x [...] (float32, float64) as every gate has it; a result below the smallest normal may be 0."""

def tanh(x: Array) -> Array:
    """tanh(x) of x [...], like `sigmoid`."""

def sgd_step(
    w: Array, g: Array, velocity: Array, learning_rate: float, momentum: float, nesterov: bool
) -> tuple[Array, Array]: ...
def rmsprop_step(
    w: Array,
    g: Array,
    v: Array,
    momentum_buffer: Array,
    average: Array,
    learning_rate: float,
    rho: float,
    momentum: float,
    epsilon: float,
    centered: bool,
) -> tuple[Array, Array, Array, Array]: ...
def adam_step(
    w: Array,
    g: Array,
    m: Array,
    v: Array,
    step: int,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> tuple[Array, Array, Array]: ...
def amsgrad_step(
    w: Array,
    g: Array,
    m: Array,
    v: Array,
    v_max: Array,
    step: int,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> tuple[Array, Array, Array, Array]: ...
def nadam_step(
    w: Array,
    g: Array,
    m: Array,
    v: Array,
    step: int,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> tuple[Array, Array, Array]: ...
def adagrad_step(
    w: Array, g: Array, accumulator: Array, learning_rate: float, epsilon: float
) -> tuple[Array, Array]: ...
def lion_step(
    w: Array, g: Array, m: Array, learning_rate: float, beta_1: float, beta_2: float
) -> tuple[Array, Array]: ...
def penalty(w: Array, l1: float, l2: float) -> tuple[float, Array]: ...
def clip_by_norm(gradients: list[Array], clipnorm: float) -> list[Array]: ...
def clip_by_value(gradients: list[Array], clipvalue: float) -> list[Array]: ...
def clip_by_global_norm(gradients: list[Array], clipnorm: float) -> list[Array]: ...

class Network:
    """An ordered list of ops that owns weights, gradients, optimizer state and one arena."""

    def __init__(self, dtype: str, features: int, sequence: bool, ids: bool, ops: list[dict[str, Any]]) -> None: ...
    def get_weight(self, op: int, name: str) -> Array: ...
    def set_weight(self, op: int, name: str, value: Array) -> None: ...
    def compile(
        self,
        loss: str,
        from_logits: bool,
        metrics: list[dict[str, Any]],
        optimizer: dict[str, Any],
        label_smoothing: float = 0.0,
        delta: float = 1.0,
        check_numerics: bool = False,
    ) -> None:
        """With check_numerics a batch whose loss or gradient is not finite raises FloatingPointError and updates nothing.

        Its arguments are those of _numerics.Found.
        """

    def train_batch(
        self,
        x: Fed,
        y: Array,
        index: npt.NDArray[np.int64],
        learning_rate: float,
        weights: Array | None = None,
    ) -> tuple[float, ...]:
        """Means over rows and steps: the loss, the metrics' statistics and, where a metric is weighted, the weights.

        x may be (x, spans, first, last, second): spans int64 [N, 2] has each row's first step and its number of steps; first
        the states [batch, units] in which recurrent ops begin, op after op, and last those to be filled with where they end;
        second what the decoder reads.
        """

    def evaluate_batch(
        self,
        x: Fed,
        y: Array,
        index: npt.NDArray[np.int64],
        weights: Array | None = None,
    ) -> tuple[float, ...]: ...
    def finish_training(self) -> None:
        """What the optimizer does after the last batch: a moving average of the weights becomes the weights."""

    def batches_trained(self) -> int:
        """All that train_batch has returned from; no state of an optimizer changes it."""

    def gradient_norm(self) -> float:
        """Of the last update's gradient, before clipping; ValueError where there was none since compile."""

    def predict_batch(
        self,
        x: Fed,
        index: npt.NDArray[np.int64],
        out: Array,
    ) -> None: ...
    def stream(self, batch_size: int) -> Stream: ...
    def schedule(self) -> str:
        """How threads shared the last batch: serial, rows or panels."""

    def set_schedule(self, name: str) -> None:
        """auto, or one of them for all batches to come. It changes time, never results."""

    def memory(self) -> int: ...
    def get_optimizer_state(self) -> OptimizerState: ...
    def set_optimizer_state(self, state: OptimizerState) -> None:
        """All or nothing: raises ValueError where the state is another optimizer's, or of other weights."""

class Stream:
    """A network one step at a time; keeps the network alive."""

    def step(self, x: Array | int, out: Array | None = None) -> Array: ...
    def run(self, x: Array, out: Array | None = None) -> Array: ...
    def generate(
        self,
        ids: npt.NDArray[np.int32],
        known: npt.NDArray[np.int64],
        temperatures: npt.NDArray[np.float64],
        keys: npt.NDArray[np.uint64],
        top_k: int,
        top_p: float,
        window: int,
        begin: int,
        end: int,
    ) -> None:
        """Read columns begin to end - 1 of ids [B, L] and write the next of each row r, from column known[r] on.

        top_k 0 is all, window 0 a state that goes on from step to step.
        """

    def get_state(self) -> list[tuple[Array, ...]]: ...
    def set_state(self, state: list[list[Array]]) -> None: ...
    def reset(self) -> None: ...
