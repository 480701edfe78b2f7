"""A model that has been told what to learn."""

from ._compile import Compiled
from ._core import Network
from ._predicting import Predicting
from ._stack import changing
from .losses import Loss
from .metrics import Metric
from .optimizers import Optimizer


class Compiling(Predicting):
    """Layers in a row, and the loss, the optimizer and the metrics of `compile`, of which the network hears when there is one."""

    _compiled: Compiled | None = None
    _told: Compiled | None = None  # what the network knows of

    def _compile(self, compiled: Compiled) -> None:
        if self.built:
            self._settle(compiled)
        before, self._compiled = self._compiled, compiled
        try:
            if self._network is not None:
                self._require_network()
        except BaseException:
            self._compiled = before
            raise
        compiled.optimizer.iterations = 0

    def _require_network(self) -> Network:
        """The engine's network, which has been told what to learn. Should this end midway, the next call does it."""
        with changing:
            network, compiled = super()._require_network(), self._compiled
            if compiled is not self._told and compiled is not None:
                self._settle(compiled)
                before, self._told = self._told, compiled
                try:
                    compiled.apply(network)
                except Exception:  # no memory: the network knows what it knew
                    self._told = before
                    raise
                except BaseException:  # Ctrl-C: it may know either
                    self._told = None
                    raise
            return network

    def _release_network(self) -> None:
        self._told = None
        super()._release_network()

    def _require_compiled(self, caller: str) -> Compiled:
        if self._compiled is None:
            raise RuntimeError(
                f"{caller}: model {self.name!r} must be compiled first: model.compile(optimizer=..., loss=...)"
            )
        return self._compiled

    @property
    def optimizer(self) -> Optimizer:
        return self._require_compiled("optimizer").optimizer

    @property
    def loss(self) -> Loss:
        return self._require_compiled("loss").loss

    @property
    def metrics(self) -> list[Metric]:
        return list(self._require_compiled("metrics").metrics)

    @property
    def metrics_names(self) -> list[str]:
        """What `evaluate` returns, in order: "loss", then the metrics."""
        return list(self._require_compiled("metrics_names").names)

    def metric_direction(self, name: str) -> str | None:
        """The way, "min" or "max", in which a logged value improves; None for one that is no loss and no compiled metric."""
        return self._require_compiled("metric_direction").direction(name)
