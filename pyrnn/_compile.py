"""What `Sequential.compile` decides: loss, optimizer, metrics, and whether they fit the model."""

from collections.abc import Sequence
from typing import Any

from . import losses, metrics, optimizers
from ._core import Network
from ._registry import serialize

_ACTIVATIONS = {"crossentropy": "softmax", "binary_crossentropy": "sigmoid"}  # that make probabilities for a loss


class Compiled:
    """Loss, optimizer and metrics of a model. `metrics` are resolved when the output's shape is known."""

    def __init__(self, optimizer: object, loss: object, given_metrics: object) -> None:
        if loss is None:
            raise ValueError("compile: loss must be given, for example loss='mse'")
        self.optimizer = optimizers.get(optimizer)
        self.loss = losses.get(loss)
        if given_metrics is None:
            given_metrics = []
        if not isinstance(given_metrics, list | tuple):
            raise TypeError(f"compile: metrics must be a list of names or metrics, got {given_metrics!r}")
        self.given_metrics = list(given_metrics)
        self.metrics = metrics.for_output(self.given_metrics, features=2)  # refuses unknown names now
        self.names = ["loss", *(metric.name for metric in self.metrics)]
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"compile: metrics must have distinct names, none of them 'loss', got {self.names[1:]}")

    def fit_to(self, features: int, activation: str) -> None:
        """Resolve the metrics for a last axis of `features` values made by `activation`.

        Raises ValueError where the loss or a metric cannot go with that output.
        """
        self.metrics = metrics.for_output(self.given_metrics, features)
        wanted = _ACTIVATIONS.get(self.loss.engine_name)
        if wanted is not None:
            if self.loss.from_logits and activation != "linear":
                raise ValueError(
                    f"compile: {self.loss.name} with from_logits=True needs a last layer without activation, got {activation!r}"
                )
            if not self.loss.from_logits and activation != wanted:
                raise ValueError(
                    f"compile: {self.loss.name} needs a last layer with the activation {wanted!r}, got {activation!r};"
                    " or set from_logits=True and leave the last layer linear"
                )
        if wanted == "softmax" and features < 2:
            raise ValueError(
                f"compile: {self.loss.name} needs an output of two symbols or more; use binary_crossentropy for one"
            )
        if self.loss.targets == "ids":
            for metric in self.metrics:
                if metric.elementwise:
                    raise ValueError(
                        f"compile: metric {metric.name!r} cannot compare ids with the output; use categorical_crossentropy"
                    )

    @property
    def wants_values(self) -> bool:
        """Whether a metric compares y with the output value by value, so that y must not become ids."""
        return any(metric.elementwise for metric in self.metrics)

    def apply(self, network: Network) -> None:
        network.compile(
            loss=self.loss.engine_name,
            from_logits=self.loss.from_logits,
            metrics=[metric.engine_name for metric in self.metrics],
            optimizer=self.optimizer.engine_spec(),
        )

    def direction(self, name: str) -> str | None:
        """The way, "min" or "max", in which the value called `name` in logs improves; None for an unknown name."""
        name = name.removeprefix("val_")
        if name == "loss":
            return "min"
        return next((metric.direction for metric in self.metrics if metric.name == name), None)

    def get_config(self) -> dict[str, Any]:
        return {
            "optimizer": serialize(self.optimizer),
            "loss": serialize(self.loss),
            "metrics": [
                given if isinstance(given, str) else serialize(metrics.get(given)) for given in self.given_metrics
            ],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Compiled":
        return cls(config["optimizer"], config["loss"], config["metrics"])


def results(names: Sequence[str], values: Sequence[float], prefix: str = "") -> dict[str, float]:
    return {prefix + name: value for name, value in zip(names, values, strict=True)}
