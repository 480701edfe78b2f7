"""Objects that are told by name, by configuration, or given as they are."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar


class Configured:
    """Something that its constructor's arguments describe completely."""

    __slots__ = ()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON has them."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A new object from `get_config()`'s dictionary."""
        return cls(**config)


D = TypeVar("D", bound=Configured)


def snake_case(name: str) -> str:
    """
    >>> snake_case("TimeDistributed"), snake_case("LSTM"), snake_case("OneHot")
    ('time_distributed', 'lstm', 'one_hot')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def serialize(value: Configured) -> dict[str, Any]:
    return {"class_name": type(value).__name__, "config": value.get_config()}


def resolve(kind: str, identifier: object, base: type[D], classes: Mapping[str, type[D]]) -> D:
    """The object of class `base` that `identifier` means: itself, its class, a name, or a `serialize` dictionary.

    Raises ValueError for a name that is none of `classes`, TypeError for anything else.
    """
    if isinstance(identifier, base):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, base):
        return identifier()
    if isinstance(identifier, dict) and set(identifier) == {"class_name", "config"}:
        made = _named(kind, identifier["class_name"], classes).from_config(identifier["config"])
        assert isinstance(made, base)
        return made
    if isinstance(identifier, str):
        return _named(kind, identifier, classes)()
    raise TypeError(f"{kind} must be a name or a {base.__name__}, got {identifier!r}")


def _named(kind: str, name: object, classes: Mapping[str, type[D]]) -> type[D]:
    for known, cls in classes.items():
        if name in (known, cls.__name__):
            return cls
    raise ValueError(f"{kind} must be one of {', '.join(map(repr, classes))}, got {name!r}")
