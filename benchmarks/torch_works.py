"""The works in PyTorch: its fused LSTM on float input, one-hot vectors made before the clock starts."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from .works import Array, Work, rate


class Net(nn.Module):
    """LSTM -> its last output, or all of a cell's; in addition a second LSTM on the repeated state; a dense layer."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.answer = work.answer
        self.rnn = nn.LSTM(
            work.inputs, work.hidden, batch_first=not work.sequences
        )  # an LSTM alone is fastest with time first
        self.decoder = nn.LSTM(work.hidden, work.hidden, batch_first=True) if work.kind == "addition" else None
        self.head = nn.Linear(work.hidden, work.outputs()) if work.outputs() else None
        self.to(getattr(torch, work.dtype))
        self.load(work.weights())

    def load(self, weights: list[Array]) -> None:
        """Keras' weights: the same order of gates i f c o, the matrices transposed, and one bias in place of two."""
        left = iter(torch.from_numpy(array) for array in weights)
        with torch.no_grad():
            for rnn in filter(None, [self.rnn, self.decoder]):
                rnn.weight_ih_l0.copy_(next(left).T)
                rnn.weight_hh_l0.copy_(next(left).T)
                rnn.bias_ih_l0.copy_(next(left))
                rnn.bias_hh_l0.zero_()
            if self.head is not None:
                self.head.weight.copy_(next(left).T)
                self.head.bias.copy_(next(left))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs, (h, _) = self.rnn(x)
        if self.head is None:
            return outputs
        if self.decoder is None:
            return self.head(outputs[:, -1])
        repeated = h[-1][:, None, :].expand(-1, self.answer, -1)
        return self.head(self.decoder(repeated)[0])

    def loss(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        guess = self(x)
        return F.mse_loss(guess, y) if y.is_floating_point() else F.cross_entropy(guess.flatten(0, -2), y.flatten())


def batches(work: Work) -> list[tuple[torch.Tensor, torch.Tensor]]:
    x, y = (torch.from_numpy(array) for array in work.data())
    if not x.is_floating_point():
        x = torch.eye(work.inputs)[x.long()]
    if not y.is_floating_point():
        y = y.long()
    if work.sequences:
        pairs = zip(x.split(work.batch), y.split(work.batch), strict=True)
        return [(a.transpose(0, 1).contiguous(), b.transpose(0, 1).contiguous()) for a, b in pairs]
    return list(zip(x.split(work.batch), y.split(work.batch), strict=True))


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
    x, y = batches(work)[0]
    if not work.train:
        with torch.inference_mode():
            outputs = net(x).transpose(0, 1).contiguous()
        return outputs.ravel()[:: outputs.numel() // 16].tolist()
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(not name.endswith("bias_hh_l0"))  # else the one bias would move twice as far
    optimizer = torch.optim.SGD(net.parameters(), rate(work))
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = net.loss(x, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def go(work: Work) -> Callable[[], object]:
    if work.kind == "stream":
        return Step(work).run
    net, pairs = Net(work), batches(work)

    def forward() -> None:
        with torch.inference_mode():
            for x, _ in pairs:
                net(x)

    def gradients() -> None:
        for x, y in pairs:
            net.zero_grad()
            net(x).backward(y)

    if work.sequences:
        return gradients if work.train else forward
    text = work.kind == "text"
    optimizer = torch.optim.RMSprop(net.parameters(), lr=0.01) if text else torch.optim.Adam(net.parameters())

    def train() -> None:
        for x, y in pairs:
            optimizer.zero_grad()
            net.loss(x, y).backward()
            optimizer.step()

    return train


def describe() -> str:
    return f"PyTorch {torch.__version__}"


def set_threads(threads: int) -> None:
    torch.set_num_threads(threads)
