"""Charts say in words and in a table what they draw."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.web import charts
from services.chassis.web.charts import Figure
from services.chassis.web.format import Formatter

NUMBER = Formatter("fi").number
SVG = "{http://www.w3.org/2000/svg}"
LABELS = [f"{month}/2026" for month in range(1, 7)]
SERIES: dict[str, list[Any]] = {"Kela <b>": [1, 2, None, 4, 5, 6], "Vero": [6, 5, 4, 3, 2, 1]}
FULL: dict[str, list[Any]] = {"Kela": [1, 2, 3, 4, 5, 6], "Vero": [6, 5, 4, 3, 2, 1]}


def line() -> Figure:
    return charts.line_chart("a", "Asioinnit & muut", "Nousi.", LABELS, SERIES, label="Kuukausi", number=NUMBER)


def bars() -> Figure:
    return charts.bar_chart(
        "b", "T", "F.", [("Kela <b>", 3.0), ("Vero", 0.0)], label="V", value_label="n", number=NUMBER
    )


def stacked() -> Figure:
    return charts.stacked_chart("c", "T", "F.", LABELS, FULL, label="Kuukausi", number=NUMBER)


def heat() -> Figure:
    return charts.heat_chart("d", "T", "F.", ["ma", "ti"], ["8", "9"], [[1, 2], [None, 0]], label="p", number=NUMBER)


@pytest.mark.parametrize("make", [line, bars, stacked, heat])
def test_it_is_well_formed_named_and_without_styles(make: Callable[[], Figure]) -> None:
    figure = make()
    root = ET.fromstring(figure.svg)
    assert root.get("role") == "img"
    named = {element.get("id"): element.text for element in root if element.tag in ("title", "desc")}
    assert [named[id] for id in (root.get("aria-labelledby") or "").split()] == [figure.title, figure.finding]
    assert "style=" not in figure.svg
    assert len(figure.svg) < 6000
    assert {column["key"] for column in figure.columns} == set(figure.rows[0])


def test_lines_differ_without_colour_and_are_named() -> None:
    root = ET.fromstring(line().svg)
    dashes = [path.get("stroke-dasharray") for path in root.iter("path") if path.get("class") == "line"]
    assert len(set(dashes)) == len(dashes) == 2
    assert {"Kela <b>", "Vero"} <= {text.text for text in root.iter("text")}


def test_a_gap_is_a_gap_in_picture_and_table() -> None:
    figure = line()
    path = next(p.get("d") or "" for p in ET.fromstring(figure.svg).iter("path") if p.get("class") == "line")
    assert path.count("M") == 2
    assert figure.rows[2]["c0"] == "–"


def test_bars_are_as_long_as_their_figures() -> None:
    items = [("a", 10.0), ("b", 5.0), ("c", 0.0)]
    svg = charts.bar_chart("b", "T", "F.", items, label="V", value_label="n", number=NUMBER).svg
    widths = [float(rect.get("width") or "") for rect in ET.fromstring(svg).iter("rect")]
    assert widths[1] == pytest.approx(widths[0] / 2, abs=0.1) and widths[2] == 0


def test_stacks_stand_on_each_other() -> None:
    rects = list(ET.fromstring(stacked().svg).iter("rect"))
    below, above = rects[0], rects[6]
    assert below.get("x") == above.get("x")
    assert float(above.get("y") or "") < float(below.get("y") or "")


def test_the_names_at_the_ends_do_not_overlap() -> None:
    series = {name: [1.0, 1.0] for name in "abcd"}
    svg = charts.line_chart("a", "T", "F.", ["1", "2"], series, label="L", number=NUMBER).svg
    heights = sorted(
        float(t.get("y") or "") for t in ET.fromstring(svg).iter("text") if "series" in (t.get("class") or "")
    )
    assert all(lower - upper >= 17 for upper, lower in pairwise(heights))
    assert heights[-1] < 300


@given(st.floats(0, 1e12, allow_nan=False))
def test_ticks_are_few_rise_from_zero_and_reach_the_top(top: float) -> None:
    ticks = charts.nice_ticks(top)
    assert ticks[0] == 0 and ticks[-1] >= top and 2 <= len(ticks) <= 8
    assert ticks == sorted(set(ticks))


def test_nothing_to_draw_is_still_a_chart() -> None:
    empty = charts.bar_chart("b", "T", "F.", [], label="V", value_label="n", number=NUMBER)
    assert empty.rows == [] and re.match(r"<svg ", empty.svg)
    ET.fromstring(charts.line_chart("a", "T", "F.", ["1"], {"a": [None]}, label="L", number=NUMBER).svg)
