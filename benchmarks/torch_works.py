"""The works in PyTorch: its fused layers on float input, one-hot vectors made before the clock starts."""

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn import functional as F

from .works import Work, rate, sample

RECURRENT = {"LSTM": nn.LSTM, "GRU": nn.GRU, "SimpleRNN": nn.RNN}


def load(rnn: nn.RNNBase, cell: str, weights: Iterator[torch.Tensor]) -> None:
    """Keras' weights: the matrices transposed, one bias in place of two but for a GRU, whose gates are z r h, not r z h."""

    def gates(array: torch.Tensor) -> torch.Tensor:
        if cell != "GRU":
            return array
        z, r, h = array.chunk(3, -1)
        return torch.cat([r, z, h], -1)

    for end in ("l0", "l0_reverse") if rnn.bidirectional else ("l0",):
        kernel, recurrent_kernel, bias = (gates(next(weights)) for _ in range(3))
        getattr(rnn, f"weight_ih_{end}").copy_(kernel.T)
        getattr(rnn, f"weight_hh_{end}").copy_(recurrent_kernel.T)
        getattr(rnn, f"bias_ih_{end}").copy_(bias[0] if cell == "GRU" else bias)
        getattr(rnn, f"bias_hh_{end}").copy_(bias[1] if cell == "GRU" else torch.zeros_like(bias))


class Net(nn.Module):
    """A recurrent layer -> its last output, or all where it is alone; in addition a second on the repeated state; dense."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.answer = work.answer
        recurrent = RECURRENT[work.cell]
        self.rnn = recurrent(
            work.inputs,
            work.hidden,
            batch_first=not work.sequences,  # a layer alone is fastest with time first
            bidirectional=work.bidirectional,
        )
        self.decoder = recurrent(work.hidden, work.hidden, batch_first=True) if work.kind == "addition" else None
        self.head = nn.Linear(work.hidden, work.outputs()) if work.outputs() else None
        self.to(getattr(torch, work.dtype))
        weights = iter(torch.from_numpy(array) for array in work.weights())
        with torch.no_grad():
            for rnn in filter(None, [self.rnn, self.decoder]):
                load(rnn, work.cell, weights)
            if self.head is not None:
                self.head.weight.copy_(next(weights).T)
                self.head.bias.copy_(next(weights))

    def forward(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        if lengths is not None:
            return self.rnn(pack(x, lengths))[0].data
        outputs, state = self.rnn(x)
        if self.head is None:
            return outputs
        if self.decoder is None:
            return self.head(outputs[:, -1])
        h = state[0] if isinstance(state, tuple) else state  # an LSTM has c as well
        return self.head(self.decoder(h[-1][:, None].expand(-1, self.answer, -1))[0])

    def loss(self, x: torch.Tensor, lengths: torch.Tensor | None, y: torch.Tensor) -> torch.Tensor:
        guess = self(x, lengths)
        return F.mse_loss(guess, y) if y.is_floating_point() else F.cross_entropy(guess.flatten(0, -2), y.flatten())


def pack(values: torch.Tensor, lengths: torch.Tensor) -> nn.utils.rnn.PackedSequence:
    """[T, B, F] as data [sum of lengths, F]: the first step of all rows, then the second of those that have one, ..."""
    return nn.utils.rnn.pack_padded_sequence(values, lengths, enforce_sorted=False)


def batches(work: Work) -> list[tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]]:
    """x, lengths and y of each; lengths where rows are ragged, and y is packed then."""
    x, y = (torch.from_numpy(array) for array in work.data())
    if not x.is_floating_point():
        x = torch.eye(work.inputs)[x.long()]
    if not y.is_floating_point():
        y = y.long()
    xs, ys = x.split(work.batch), y.split(work.batch)
    if work.sequences:
        xs, ys = ([array.transpose(0, 1).contiguous() for array in arrays] for arrays in (xs, ys))
    if not work.ragged:
        return list(zip(xs, [None] * len(xs), ys, strict=True))
    lengths = torch.from_numpy(work.lengths()).split(work.batch)
    return [(x, of_rows, pack(y, of_rows).data) for x, of_rows, y in zip(xs, lengths, ys, strict=True)]


class Step:
    """LSTMCell and its state, on one-hot vectors or values made before the clock starts."""

    def __init__(self, work: Work) -> None:
        self.cell = nn.LSTMCell(work.inputs, work.hidden)
        with torch.no_grad():
            kernel, recurrent_kernel, bias = map(torch.from_numpy, work.weights())
            self.cell.weight_ih.copy_(kernel.T)
            self.cell.weight_hh.copy_(recurrent_kernel.T)
            self.cell.bias_ih.copy_(bias)
            self.cell.bias_hh.zero_()
        x = torch.from_numpy(work.data()[0])[:, 0]
        self.steps = list((torch.eye(work.inputs)[x.long()] if work.ids else x)[:, None])
        self.state = (torch.zeros(1, work.hidden), torch.zeros(1, work.hidden))

    def run(self) -> None:
        with torch.inference_mode():
            for x in self.steps:
                self.state = self.cell(x, self.state)


def streamed_answer(work: Work) -> list[float]:
    step, values = Step(work), []
    steps = step.steps
    for x in steps[:50]:
        step.steps = [x]
        step.run()
        values += step.state[0][0, :4].tolist()
    return values


def answer(work: Work) -> list[float]:
    if work.kind == "stream":
        return streamed_answer(work)
    net = Net(work)
    x, lengths, y = batches(work)[0]
    if not work.train:
        with torch.inference_mode():
            return sample(net(x).transpose(0, 1).numpy())
    if work.cell != "GRU":
        for name, parameter in net.named_parameters():
            parameter.requires_grad_("bias_hh" not in name)  # else the one bias would move twice as far
    optimizer = torch.optim.SGD(net.parameters(), rate(work))
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = net.loss(x, lengths, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def go(work: Work) -> Callable[[], object]:
    if work.kind == "stream":
        return Step(work).run
    net, given = Net(work), batches(work)

    def forward() -> None:
        with torch.inference_mode():
            for x, lengths, _ in given:
                net(x, lengths)

    def gradients() -> None:
        for x, lengths, y in given:
            net.zero_grad()
            net(x, lengths).backward(y)

    if work.sequences:
        return gradients if work.train else forward
    text = work.kind == "text"
    optimizer = torch.optim.RMSprop(net.parameters(), lr=0.01) if text else torch.optim.Adam(net.parameters())

    def train() -> None:
        for x, lengths, y in given:
            optimizer.zero_grad()
            net.loss(x, lengths, y).backward()
            optimizer.step()

    return train


def describe() -> str:
    return f"PyTorch {torch.__version__}"


def set_threads(threads: int) -> None:
    torch.set_num_threads(threads)
