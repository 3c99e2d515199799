"""Contrast of the design tokens in both schemes (WCAG 2.2: 4.5 for text, 3 for edges, marks and focus)."""

import re
from pathlib import Path

import pytest

from services.chassis.web import static

CSS = (static.SHELL_STATIC / "app.css").read_text()
TOKENS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", CSS)
}
SOFT = ("accent-soft", "good-soft", "warn-soft", "bad-soft")
SURFACES = ("ground", "surface", "sunken")
TEXT = [
    *[(ink, on) for ink in ("ink", "ink-soft") for on in (*SURFACES, *SOFT)],
    *[(ink, on) for ink in ("accent", "accent-strong", "bad") for on in (*SURFACES, "accent-soft")],
    *[(f"series-{n}", on) for n in range(1, 5) for on in ("ground", "surface")],
    ("on-accent", "accent"), ("on-accent", "accent-strong"), ("on-bad", "bad"), ("bad", "bad-soft"),
    ("good", "good-soft"), ("warn", "warn-soft"), ("accent-strong", "accent-soft"),
    ("accent", "good-soft"), ("accent", "warn-soft"), ("accent", "bad-soft"),
    ("on-band", "band"), ("on-band-soft", "band"),
    *[("on-heat-light", f"heat-{n}") for n in range(3)],
    *[("on-heat-dark", f"heat-{n}") for n in (3, 4)],
]  # fmt: skip
SHAPES = [*[(mark, on) for mark in ("edge", "focus") for on in ("ground", "surface", "bad-soft")], ("on-band", "band")]


def luminance(colour: str) -> float:
    def linear(channel: int) -> float:
        c = channel / 255
        return c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4

    r, g, b = (linear(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_is_right() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("least", "pairs"), [(4.5, TEXT), (3.0, SHAPES)], ids=["text", "shapes"])
def test_pairs_contrast(scheme: int, least: float, pairs: list[tuple[str, str]]) -> None:
    low = {
        f"{ink} on {on}": round(contrast(TOKENS[ink][scheme], TOKENS[on][scheme]), 2)
        for ink, on in pairs
        if contrast(TOKENS[ink][scheme], TOKENS[on][scheme]) < least
    }
    assert not low


def test_colours_are_written_as_tokens_only() -> None:
    body = CSS[CSS.index("@layer base {") :]
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", body)


def test_every_token_that_is_used_exists() -> None:
    defined = set(re.findall(r"--([\w-]+):", CSS))
    assert set(re.findall(r"var\(--([\w-]+)\)", CSS)) <= defined


@pytest.mark.parametrize("path", sorted(Path(static.SHELL_STATIC).glob("*.js")), ids=lambda path: path.name)
def test_scripts_speak_to_no_other_host(path: Path) -> None:
    assert "http" not in path.read_text().replace("http://www.w3.org", "")
