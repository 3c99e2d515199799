"""Charts as small SVG of our own: readable without colour, without JavaScript and by a screen reader.

Every chart is a ``Figure``: a picture whose ``desc`` states the finding, and the same data as a table. Series differ
by dash as well as colour and are named where they end; there is no legend to match. No style attributes (our content
security policy refuses them): colours come from classes of ``app.css``. Show one with ``{{ ui.chart(figure) }}``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

WIDTH = 720
CHARACTER_WIDTH = 7.3
DASHES = ("", "7 5", "2 5", "12 4 2 4")
SERIES_MAX = 4
POINTS_MAX = 400
BARS_MAX = 60

Format = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart and the table of the same data (``columns`` and ``rows`` as ``ui.table`` takes them)."""

    id: str
    title: str
    finding: str
    svg: Markup
    columns: list[dict[str, Any]]
    rows: list[dict[str, str]]


def bar_chart(
    id: str,
    title: str,
    finding: str,
    items: Sequence[tuple[str, float]],
    *,
    label: str,
    value_label: str,
    number: Format,
) -> Figure:
    """Horizontal bars, one per name, each with its figure. ``label`` and ``value_label`` head the table."""
    assert len(items) <= BARS_MAX, "show the largest and sum the rest"
    label_width = min(260.0, 16 + CHARACTER_WIDTH * max((len(name) for name, _ in items), default=0))
    figure_width = 12 + CHARACTER_WIDTH * max((len(number(value)) for _, value in items), default=0)
    room = WIDTH - label_width - figure_width
    top = max((value for _, value in items), default=0) or 1
    parts = []
    for index, (name, value) in enumerate(items):
        y = index * 34
        length = max(0.0, room * value / top)
        parts.append(_text(label_width - 12, y + 21, _short(name, label_width - 16), anchor="end"))
        parts.append(f'<rect class="bar-shape s1" x="{label_width:.1f}" y="{y + 5}" width="{length:.1f}" height="23"/>')
        parts.append(_text(label_width + length + 8, y + 21, number(value), kind="soft"))
    parts.append(f'<path class="axis" d="M{label_width:.1f} 0V{len(items) * 34}"/>')
    rows = [{"label": name, "value": number(value)} for name, value in items]
    return Figure(
        id, title, finding, _svg(id, title, finding, len(items) * 34, parts), _columns(label, value_label), rows
    )


def line_chart(
    id: str,
    title: str,
    finding: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    *,
    label: str,
    number: Format,
) -> Figure:
    """Up to four lines over the same labels (months, days). None is a gap: not known, which is not zero."""
    _check_series(labels, series)
    plot = _Plot(labels, _top_of(value for values in series.values() for value in values), series, height=300)
    parts = plot.frame(number)
    for index, (name, values) in enumerate(series.items()):
        path, dots, end = plot.line(values)
        dash = f' stroke-dasharray="{DASHES[index]}"' if DASHES[index] else ""
        parts.append(f'<g class="s{index + 1}"><path class="line"{dash} d="{path}"/>{dots}</g>')
        parts.append((end, index, name))
    parts = plot.name_ends(parts)
    return Figure(
        id, title, finding, _svg(id, title, finding, 300, parts), *_series_table(label, labels, series, number)
    )


def stacked_chart(
    id: str,
    title: str,
    finding: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    label: str,
    number: Format,
) -> Figure:
    """Columns made of up to four parts that add up. Parts are named beside the last column."""
    _check_series(labels, series)
    totals = [sum(values[i] for values in series.values()) for i in range(len(labels))]
    plot = _Plot(labels, _top_of(totals), series, height=300, bands=True)
    parts = plot.frame(number)
    floors = [0.0] * len(labels)
    for index, (name, values) in enumerate(series.items()):
        for at, value in enumerate(values):
            x, y = plot.x(at) - plot.step * 0.34, plot.y(floors[at] + value)
            height = max(0.0, plot.y(floors[at]) - y - 1)
            parts.append(
                f'<rect class="bar-shape s{index + 1}" x="{x:.1f}" y="{y:.1f}" width="{plot.step * 0.68:.1f}" '
                f'height="{height:.1f}"/>'
            )
        parts.append((plot.y(floors[-1] + values[-1] / 2), index, name))
        floors = [floor + value for floor, value in zip(floors, values, strict=True)]
    parts = plot.name_ends(parts)
    return Figure(
        id, title, finding, _svg(id, title, finding, 300, parts), *_series_table(label, labels, series, number)
    )


def heat_chart(
    id: str,
    title: str,
    finding: str,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    values: Sequence[Sequence[float | None]],
    *,
    label: str,
    number: Format,
) -> Figure:
    """A grid (weekday × hour, month × weekday). Each cell shows its figure, so the shade is only a help."""
    left = 16 + CHARACTER_WIDTH * max((len(name) for name in row_labels), default=0)
    cell = (WIDTH - left) / max(1, len(column_labels))
    top = _top_of(value for row in values for value in row) or 1
    parts = [_text(left + cell * (i + 0.5), 18, name, "middle", "soft") for i, name in enumerate(column_labels)]
    for r, (name, row) in enumerate(zip(row_labels, values, strict=True)):
        y = 28 + r * 36
        parts.append(_text(left - 12, y + 22, name, "end"))
        for c, value in enumerate(row):
            shade = 0 if not value else min(4, 1 + int(4 * value / top - 1e-9))
            x = left + c * cell
            parts.append(f'<rect class="h{shade}" x="{x + 1:.1f}" y="{y}" width="{cell - 2:.1f}" height="34"/>')
            ink = "on-dark" if shade >= 3 else "on-light"
            figure = "" if value is None else number(value)
            if figure and len(figure) * CHARACTER_WIDTH < cell:
                parts.append(_text(x + cell / 2, y + 22, figure, "middle", ink))
    columns = [{"key": "label", "label": label, "numeric": False, "sort": False}]
    columns += [{"key": f"c{i}", "label": n, "numeric": True, "sort": False} for i, n in enumerate(column_labels)]
    rows = [
        {"label": name, **{f"c{i}": _or_dash(value, number) for i, value in enumerate(row)}}
        for name, row in zip(row_labels, values, strict=True)
    ]
    return Figure(id, title, finding, _svg(id, title, finding, 28 + 36 * len(row_labels), parts), columns, rows)


class _Plot:
    """Axes and scales of a chart over labels. Margins leave room for the names at the line ends."""

    def __init__(
        self,
        labels: Sequence[str],
        top: float,
        series: Mapping[str, object],
        *,
        height: int,
        bands: bool = False,
    ) -> None:
        self.labels = labels
        self.ticks = nice_ticks(top)
        self.right = min(200.0, 20 + CHARACTER_WIDTH * max((len(name) for name in series), default=0))
        self.left, self.bottom, self.head = 56.0, 30.0, 12.0
        self.height = height
        inner = WIDTH - self.left - self.right
        self.step = inner / max(1, len(labels) if bands else len(labels) - 1)
        self.offset = self.step / 2 if bands else 0.0

    def x(self, index: int) -> float:
        return self.left + self.offset + index * self.step

    def y(self, value: float) -> float:
        span = self.height - self.bottom - self.head
        return self.height - self.bottom - span * value / self.ticks[-1]

    def frame(self, number: Format) -> list[Any]:
        parts: list[Any] = []
        for tick in self.ticks:
            kind = "axis" if tick == 0 else "grid"
            parts.append(f'<path class="{kind}" d="M{self.left:.1f} {self.y(tick):.1f}H{WIDTH - self.right:.1f}"/>')
            parts.append(_text(self.left - 8, self.y(tick) + 5, number(tick), "end", "soft"))
        widest = CHARACTER_WIDTH * max((len(name) for name in self.labels), default=1) + 10
        every = max(1, -(-int(widest) // max(1, int(self.step))))
        for index in range(0, len(self.labels), every):
            parts.append(_text(self.x(index), self.height - 8, self.labels[index], "middle", "soft"))
        return parts

    def line(self, values: Sequence[float | None]) -> tuple[str, str, float]:
        """Path, dots (few points only) and the height at which the line ends."""
        path, pen_up, end = [], True, self.y(0)
        dots = []
        for index, value in enumerate(values):
            if value is None:
                pen_up = True
                continue
            end = self.y(value)
            path.append(f"{'M' if pen_up else 'L'}{self.x(index):.1f} {end:.1f}")
            dots.append(f'<circle class="dot" cx="{self.x(index):.1f}" cy="{end:.1f}" r="3.5"/>')
            pen_up = False
        return "".join(path), "".join(dots) if len(values) <= 31 else "", end

    def name_ends(self, parts: list[Any]) -> list[str]:
        """Turn the (height, series, name) marks into texts that do not overlap."""
        marks = sorted(part for part in parts if isinstance(part, tuple))
        named, lowest = [], self.head - 18.0
        for height, index, name in marks:
            lowest = max(height, lowest + 18)
            named.append((lowest, index, name))
        overshoot = max(0.0, (named[-1][0] if named else 0.0) - (self.height - self.bottom))
        texts = [
            _text(WIDTH - self.right + 10, y - overshoot + 5, name, kind=f"series s{index + 1}")
            for y, index, name in named
        ]
        return [part for part in parts if not isinstance(part, tuple)] + texts


def nice_ticks(top: float, wanted: int = 5) -> list[float]:
    """Round steps from 0 to at or above ``top``: 0, 500, 1000 …"""
    if top < 1e-6:
        return [0, 1]  # Nothing that a figure would show; the loops below need a magnitude.
    raw = top / wanted
    power = 1.0
    while power * 10 <= raw:
        power *= 10
    while power > raw:
        power /= 10
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)
    if top >= wanted:
        step = max(1.0, float(int(step)) if step == int(step) else float(int(step) + 1))
    ticks = [0.0]
    while ticks[-1] < top:
        ticks.append(round(ticks[-1] + step, 10))
    return ticks


def _check_series(labels: Sequence[str], series: Mapping[str, Sequence[Any]]) -> None:
    assert 1 <= len(series) <= SERIES_MAX, "more than four series cannot be told apart: sum the rest"
    assert len(labels) <= POINTS_MAX, "coarsen the time axis"
    assert all(len(values) == len(labels) for values in series.values()), "each series has a value per label"


def _top_of(values: Any) -> float:
    return max((value for value in values if value is not None), default=0)


def _columns(label: str, *names: str) -> list[dict[str, Any]]:
    keys = ["value"] if len(names) == 1 else [f"c{i}" for i in range(len(names))]
    columns = [{"key": "label", "label": label, "numeric": False, "sort": False}]
    return columns + [
        {"key": key, "label": name, "numeric": True, "sort": False} for key, name in zip(keys, names, strict=True)
    ]


def _series_table(
    label: str, labels: Sequence[str], series: Mapping[str, Sequence[float | None]], number: Format
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    columns = _columns(label, *series)
    keys = [column["key"] for column in columns[1:]]
    rows = [
        {
            "label": name,
            **{key: _or_dash(values[at], number) for key, values in zip(keys, series.values(), strict=True)},
        }
        for at, name in enumerate(labels)
    ]
    return columns, rows


def _or_dash(value: float | None, number: Format) -> str:
    return "–" if value is None else number(value)


def _short(text: str, width: float) -> str:
    room = int(width / CHARACTER_WIDTH)
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"


def _text(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text{name} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(id: str, title: str, finding: str, height: float, parts: Sequence[str]) -> Markup:
    head = (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-labelledby="{escape(id)}-t {escape(id)}-d">'
        f'<title id="{escape(id)}-t">{escape(title)}</title><desc id="{escape(id)}-d">{escape(finding)}</desc>'
    )
    # Every text in ``parts`` went through escape(); the rest is numbers and names of our own classes.
    return Markup(head + "".join(parts) + "</svg>")  # noqa: S704
