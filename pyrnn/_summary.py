"""The table of `Sequential.summary`."""

import io
from collections.abc import Callable, Sequence

from .layers import Layer


def memory_size(size: float) -> str:
    """
    >>> memory_size(821296)
    '802.05 KB'
    """
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} TB"


def print_summary(name: str, layers: Sequence[Layer], itemsize: int, print_fn: Callable[[str], object] | None) -> None:
    """Print layers, output shapes and numbers of parameters; in one call of `print_fn` where it is given."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    text = None if print_fn is None else io.StringIO()
    console = Console(file=text, highlight=False, width=None if text is None else 80)
    table = Table(show_lines=True, title_justify="left")
    table.add_column("Layer (type)", min_width=31)
    table.add_column("Output Shape", min_width=22)
    table.add_column("Param #", min_width=13, justify="right")
    for layer in layers:
        shape, count = (str(layer.output_shape), f"{layer.count_params():,}") if layer.built else ("?", "0 (unbuilt)")
        label = Text(layer.name)
        label.append(f" ({type(layer).__name__})", style="blue")
        table.add_row(label, Text(shape), Text(count, style="green"))
    total = sum(layer.count_params() for layer in layers if layer.built)
    size = memory_size(total * itemsize)
    console.print(Text(f'Model: "{name}"', style="bold"))
    console.print(table)
    console.print(Text(f" Total params: {total:,} ({size})"))
    console.print(Text(f" Trainable params: {total:,} ({size})"))
    console.print(Text(" Non-trainable params: 0 (0.00 B)"))
    if print_fn is not None and text is not None:
        print_fn(text.getvalue())
