"""The pictures of a run: what they show, and that any page may lie behind them."""

import math

import numpy as np
import pytest

from tasks import _curves

pytest.importorskip("matplotlib")

POINTS = [
    {"seconds": 0.1 * i, "loss": 2.0 / i, "accuracy": 0.3, "learning_rate": 0.01, "gradient_norm": 0.5 * i}
    for i in range(1, 7)
]
ROWS = [{"epoch": e, "seconds": 0.3 * e, "loss": 1.0, "val_loss": 1.5 / e, "val_accuracy": 0.4} for e in (1, 2)]
NUMBERS = {"seconds", "epoch"}


def drawn(rows, points, bits=False, limit=None):
    figure = _curves.new_figure("curves.png", 10, 6)
    _curves.draw_curves(figure, _curves.panels(rows, points, bits, limit), rows)
    return {axes.get_title(loc="left"): axes for axes in figure.axes}, figure


def line(axes, label):
    return next(line for line in axes.lines if line.get_label() == label).get_data()


def test_everything_stands_over_the_seconds_of_training():
    panels, _ = drawn(ROWS, POINTS)
    assert list(panels) == ["loss", "accuracy", "learning rate", "norm of the gradient"]
    for title, label, rows, name in [
        ("loss", "training", POINTS, "loss"),
        ("loss", "held out", ROWS, "val_loss"),
        ("accuracy", "training", POINTS, "accuracy"),
        ("accuracy", "held out", ROWS, "val_accuracy"),
    ]:
        seconds, values = line(panels[title], label)
        assert seconds.tolist() == [row["seconds"] for row in rows], title
        assert values.tolist() == [row[name] for row in rows], title
    for title, name in [("learning rate", "learning_rate"), ("norm of the gradient", "gradient_norm")]:
        (own,) = [line for line in panels[title].lines if len(line.get_xdata()) == len(POINTS)]
        assert own.get_ydata().tolist() == [row[name] for row in POINTS]
    for axes in panels.values():
        assert [text.get_text() for text in axes.texts] == ["epoch 1", "2"]


def test_text_has_its_loss_in_bits():
    rows = [{"epoch": 1, "seconds": 0.3, "loss": 1.0, "val_bpc": 2.5, "val_loss": math.log(2)}]
    panels, _ = drawn(rows, POINTS, bits=True)
    assert line(panels["bits per character"], "training")[1][0] == pytest.approx(2 / math.log(2))
    assert line(panels["bits per character"], "held out, one pass")[1] == [2.5]
    assert line(panels["bits per character"], "held out, windows")[1] == pytest.approx([1.0])


def test_sums_have_the_accuracies_of_whole_answers_and_of_characters():
    rows = [{"epoch": 1, "seconds": 0.3, "loss": 1.0, "val_accuracy": 0.4, "per_character": 0.7, "exact": 0.2}]
    panels, _ = drawn(rows, POINTS)
    assert line(panels["accuracy"], "held out")[1] == [0.7] and line(panels["accuracy"], "held out, exact match")[
        1
    ] == [0.2]


def test_only_what_was_measured_is_there():
    points = [{name: value for name, value in row.items() if name != "accuracy"} for row in POINTS]
    rows = [{"epoch": 1, "seconds": 0.3, "loss": 1.0}]
    assert list(drawn(rows, points)[0]) == ["loss", "learning rate", "norm of the gradient"]
    assert list(drawn([], points)[0]) == ["loss", "learning rate", "norm of the gradient"], "stopped in the first epoch"
    assert _curves.panels([], [], False, None) == []


@pytest.mark.parametrize(("limit", "shown"), [(None, []), (1.0, ["clipped to 1"]), (4.0, [])])
def test_a_limit_is_shown_where_it_clips(limit, shown):
    axes = drawn(ROWS, POINTS, limit=limit)[0]["norm of the gradient"]
    assert axes.get_legend_handles_labels()[1] == shown


def test_what_spreads_over_more_than_a_power_of_ten_is_on_a_logarithmic_axis():
    wide = [{**row, "loss": 10.0 ** (i / 2), "gradient_norm": i % 2} for i, row in enumerate(POINTS)]
    panels, _ = drawn([], wide)
    assert {title: axes.get_yscale() for title, axes in panels.items()} == {
        "loss": "log", "accuracy": "linear", "learning rate": "linear", "norm of the gradient": "linear",
    }  # fmt: skip
    assert panels["learning rate"].get_ylim()[0] == 0 < panels["loss"].get_ylim()[0]


def test_of_many_epochs_some_are_marked():
    rows = [{"epoch": e, "seconds": float(e), "loss": 1.0} for e in range(1, 61)]
    axes = drawn(rows, POINTS)[0]["loss"]
    assert [text.get_text() for text in axes.texts] == ["epoch 6", *map(str, range(12, 61, 6))]


def contrast(one, other):
    """WCAG 2, of two colours: from 1 to 21."""

    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        return float(np.dot([0.2126, 0.7152, 0.0722], [((c + 0.055) / 1.055) ** 2.4 for c in channels]))

    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("page", ["#ffffff", "#0d1117"])
def test_light_and_dark_pages_may_lie_behind(page, tmp_path):
    from matplotlib.colors import to_hex
    from matplotlib.image import imread
    from matplotlib.text import Text

    panels, figure = drawn(ROWS, POINTS, limit=1.0)
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    lines = [line for axes in panels.values() for line in axes.lines]
    colours = {to_hex(part.get_color()) for part in [*texts, *lines]}
    assert len(colours) >= 3 and min(contrast(colour, page) for colour in colours) > 3
    figure.savefig(tmp_path / "curves.png")
    alpha = imread(tmp_path / "curves.png")[:, :, 3]
    assert np.mean(alpha == 0) > 0.8, "no background"
