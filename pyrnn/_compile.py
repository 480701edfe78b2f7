"""What `Sequential.compile` decides: loss, optimizer, metrics, and whether they fit the model."""

from collections.abc import Sequence
from typing import Any

from . import losses, metrics, optimizers
from ._checks import flag, whole
from ._core import Network
from ._registry import serialize

_ACTIVATIONS = {"crossentropy": "softmax", "binary_crossentropy": "sigmoid"}  # that make probabilities for a loss


class Compiled:
    """Loss, optimizer and metrics of a model. `metrics` are resolved when the output's shape is known."""

    def __init__(
        self,
        optimizer: object,
        loss: object,
        given_metrics: object,
        given_weighted_metrics: object = None,
        check_numerics: object = False,
    ) -> None:
        if loss is None:
            raise ValueError("compile: loss must be given, for example loss='mse'")
        self.optimizer = optimizers.get(optimizer)
        self.loss = losses.get(loss)
        self.check_numerics = flag("compile", "check_numerics", check_numerics)
        self.given_metrics = _listed("metrics", given_metrics)
        self.given_weighted_metrics = _listed("weighted_metrics", given_weighted_metrics)
        self._features = 2
        self._resolve()  # refuses unknown names now
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"compile: metrics must have distinct names, none of them 'loss', got {self.names[1:]}")

    def _resolve(self) -> None:
        plain = metrics.for_output(self.given_metrics, self._features)
        weighted = metrics.for_output(self.given_weighted_metrics, self._features)
        self.metrics = [*plain, *weighted]
        self._weighted = [False] * len(plain) + [True] * len(weighted)
        taken = [metric.name for metric in plain]
        names = [f"weighted_{metric.name}" if metric.name in taken else metric.name for metric in weighted]
        self.names = ["loss", *taken, *names]

    def fit_to(self, features: int, activation: str) -> None:
        """Resolve the metrics for a last axis of `features` values made by `activation`.

        Raises ValueError where the loss or a metric cannot go with that output.
        """
        self._features = features
        self._resolve()
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
        if self.loss.targets == "labels":
            self._check_ctc(features, activation)
        for metric in self.metrics:
            self._check_metric(metric)

    def _check_ctc(self, features: int, activation: str) -> None:
        if activation != "linear":
            raise ValueError(f"compile: {self.loss.name} needs a last layer without activation, got {activation!r}")
        if features < 2:
            raise ValueError(
                f"compile: {self.loss.name} needs an output of a blank and a symbol or more, got {features}"
            )
        if self.metrics:
            raise ValueError(
                f"compile: {self.loss.name} goes without metrics, as y has no value for each step, got {self.names[1:]}"
            )

    def _check_metric(self, metric: metrics.Metric) -> None:
        if metric.elementwise and self.loss.targets == "ids":
            raise ValueError(
                f"compile: metric {metric.name!r} cannot compare ids with the output; use categorical_crossentropy"
            )
        if metric.engine_name == "crossentropy" and self.loss.engine_name != "crossentropy":
            raise ValueError(
                f"compile: metric {metric.name!r} needs the loss categorical_crossentropy or"
                f" sparse_categorical_crossentropy, got {self.loss.name}"
            )
        if isinstance(metric, metrics.TopKCategoricalAccuracy) and metric.k > self._features:
            raise ValueError(
                f"compile: metric {metric.name!r} must have a k of at most the output's {self._features} symbols,"
                f" got {metric.k}"
            )

    @property
    def wants_values(self) -> bool:
        """Whether a metric compares y with the output value by value, so that y must not become ids."""
        return any(metric.elementwise for metric in self.metrics)

    def apply(self, network: Network) -> None:
        network.compile(
            loss=self.loss.engine_name,
            metrics=[
                {**metric.engine_spec(), "weighted": weighted}
                for metric, weighted in zip(self.metrics, self._weighted, strict=True)
            ],
            optimizer=self.optimizer.engine_spec(),
            check_numerics=self.check_numerics,
            **self.loss.engine_options(),
        )

    def results(self, means: Sequence[float]) -> list[float]:
        """The loss and the metrics of what a network returns for a batch, or of its means over many.

        These are the loss, the statistics of the metrics and, where a metric is weighted, the weights.
        """
        values, at = [means[0]], 1
        for metric, weighted in zip(self.metrics, self._weighted, strict=True):
            size = metric.statistics(self._features)
            statistics = means[at : at + size]
            at += size
            if weighted:
                statistics = [value / means[-1] if means[-1] else 0.0 for value in statistics]
            values.append(metric.result(statistics))
        return values

    def direction(self, name: str) -> str | None:
        """The way, "min" or "max", in which the value called `name` in logs improves; None for an unknown name."""
        name = name.removeprefix("val_")
        if name == "loss":
            return "min"
        directions = {own: metric.direction for own, metric in zip(self.names[1:], self.metrics, strict=True)}
        return directions.get(name)

    def get_config(self) -> dict[str, Any]:
        return {
            "optimizer": serialize(self.optimizer),
            "iterations": self.optimizer.iterations,
            "loss": serialize(self.loss),
            "metrics": _config(self.given_metrics),
            "weighted_metrics": _config(self.given_weighted_metrics),
            "check_numerics": self.check_numerics,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Compiled":
        compiled = cls(
            config["optimizer"],
            config["loss"],
            config["metrics"],
            config.get("weighted_metrics"),
            config.get("check_numerics", False),
        )
        compiled.optimizer.iterations = whole("optimizer", "iterations", config.get("iterations", 0), low=0)
        return compiled


def _listed(argument: str, given: object) -> list[object]:
    if given is None:
        return []
    if not isinstance(given, list | tuple):
        raise TypeError(f"compile: {argument} must be a list of names or metrics, got {given!r}")
    return list(given)


def _config(given: Sequence[object]) -> list[object]:
    return [metric if isinstance(metric, str) else serialize(metrics.get(metric)) for metric in given]
