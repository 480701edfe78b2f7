"""The page's colours, on all of which the text must be legible in both themes, and what it refuses."""

import re
from pathlib import Path

import numpy as np
import pytest

from tasks.textgen import page

LMS = np.array([[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]])
RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def oklab(colour):
    """L, a, b of a colour of the style sheet (Ottosson 2020, "A perceptual color space for image processing")."""
    if colour.startswith("#"):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        srgb = np.array([int(digits[i : i + 2], 16) for i in (0, 2, 4)]) / 255
        linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
        return np.linalg.solve(LMS, np.cbrt(np.linalg.solve(RGB, linear)))
    lightness, chroma, hue = map(float, re.fullmatch(r"oklch\((\S+) (\S+) (\S+)\)", colour).groups())
    return np.array([lightness, chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))])


def contrast(one, other):
    """The contrast ratio of WCAG 2, from 1 to 21."""
    light = [RGB @ (LMS @ lab) ** 3 for lab in (one, other)]
    low, high = sorted(np.array([0.2126, 0.7152, 0.0722]) @ linear.clip(0, 1) for linear in light)
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_is_that_of_wcag():
    assert contrast(oklab("#000"), oklab("#fff")) == pytest.approx(21, abs=0.01)
    assert contrast(oklab("#777777"), oklab("#fff")) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_text_is_legible_on_every_shade(theme):
    style = Path(page.__file__).with_name("page.css").read_text(encoding="utf-8")
    blocks = [
        dict(re.findall(r"--(\w+): ([^;]+);", block)) for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    ]
    assert len(blocks) == 2 and blocks[0].keys() == blocks[1].keys()
    colours = {name: oklab(colour) for name, colour in blocks[theme == "dark"].items()}
    for end in "low", "high":
        for share in np.linspace(0, 1, 33):
            shade = share * colours[end] + (1 - share) * colours["neutral"]
            assert contrast(colours["ink"], shade) >= 4.5, (end, share)
    for name in "ink", "muted":
        for ground in "paper", "card", "wash":
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="must be finite, got NaN or infinity"):
        page.quantized(np.array([[0.0], [np.nan]]))
