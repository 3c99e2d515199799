"""The two times of an agreement in one picture: along it the days agreed on, down it what was known since when.

Each strip is the knowledge of a moment; its blocks are the versions that ruled, as known then. Reading down, one sees a
backdated amendment change the past. Without style attributes; colours are classes of ``app.css``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from services.agreements.asof import AsOf, Known, as_of
from services.agreements.queries import AgreementRows

WIDTH, LEFT, STRIP, GAP, HEAD = 720, 172, 30, 12, 34
STRIPS_MAX = 12
SHADES = ("h1", "h2", "h3", "h4")


@dataclass(frozen=True, slots=True)
class Strip:
    """What was known from ``moment`` on."""

    moment: dt.datetime
    answer: AsOf


def strips(rows: AgreementRows, today: dt.date) -> list[Strip]:
    """One strip for each change of knowledge about what is in force, the oldest first; at most the newest twelve."""
    moments = [each.known_at for each in rows.versions if each.known_at is not None]
    if rows.termination is not None:
        moments.append(rows.termination["recorded_at"])
    found = [Strip(moment, as_of(rows, today, Known(moment=moment))) for moment in sorted(set(moments))]  # type: ignore[arg-type]
    return found[-STRIPS_MAX:]


@dataclass(frozen=True, slots=True)
class Axis:
    first: dt.date
    last: dt.date

    def x(self, day: dt.date) -> float:
        """Where a day stands, in the units of the picture."""
        whole = (self.last - self.first).days or 1
        share = min(1.0, max(0.0, (day - self.first).days / whole))
        return LEFT + share * (WIDTH - LEFT - 8)


def axis(found: Sequence[Strip], today: dt.date) -> Axis:
    """From the first day of any version to the last, or half a year beyond today where there is no end."""
    spans = [span for strip in found for span in strip.answer.spans]
    first = min(span.first for span in spans)
    ends = [span.last for span in spans if span.last is not None]
    beyond = max(today, *(span.first for span in spans)) + dt.timedelta(days=183)
    return Axis(first, beyond if any(span.last is None for span in spans) else max(ends))


def draw(
    found: Sequence[Strip], today: dt.date, *, id: str, title: str, finding: str, labels: Sequence[str],
    today_label: str, day_labels: tuple[str, str],
) -> Markup:  # fmt: skip
    """The picture. ``labels`` say of each strip since when it was known."""
    scale = axis(found, today)
    height = HEAD + len(found) * (STRIP + GAP)
    parts = [
        f'<text class="soft" x="{LEFT}" y="16">{escape(day_labels[0])}</text>',
        f'<text class="soft" x="{WIDTH - 8}" y="16" text-anchor="end">{escape(day_labels[1])}</text>',
    ]
    for at, strip in enumerate(found):
        top = HEAD + at * (STRIP + GAP)
        parts.append(f'<text x="{LEFT - 14}" y="{top + 20}" text-anchor="end">{escape(labels[at])}</text>')
        parts += _blocks(strip, scale, top)
    if scale.first <= today <= scale.last:
        x = scale.x(today)
        parts.append(f'<path class="axis" stroke-dasharray="3 4" d="M{x:.1f} 22V{height - GAP + 4}"/>')
        if LEFT + 90 < x < WIDTH - 110:
            parts.append(f'<text class="soft" x="{x:.1f}" y="16" text-anchor="middle">{escape(today_label)}</text>')
    return Markup(  # noqa: S704 - every text in it is escaped where it is put in.
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{id}-t {id}-d">'
        f'<title id="{id}-t">{escape(title)}</title><desc id="{id}-d">{escape(finding)}</desc>{"".join(parts)}</svg>'
    )


def _blocks(strip: Strip, scale: Axis, top: int) -> list[str]:
    parts = []
    for span in strip.answer.spans:
        start, end = scale.x(span.first), scale.x(span.last or scale.last)
        shade = SHADES[(span.version.version - 1) % len(SHADES)]
        ink = "on-dark" if shade in ("h3", "h4") else "on-light"
        width = max(2.0, end - start - 2)
        parts.append(f'<rect class="{shade}" x="{start:.1f}" y="{top}" width="{width:.1f}" height="{STRIP}"/>')
        if width > 16:
            middle = start + width / 2
            number = span.version.version
            parts.append(f'<text class="{ink}" x="{middle:.1f}" y="{top + 20}" text-anchor="middle">{number}</text>')
    return parts
