"""``python -m deploy.demo.network --summary``: what the network holds, and the shape of its visits, as text."""

from __future__ import annotations

import argparse
import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator

from deploy.demo.network import SYNTHETIC, Network, VisitCommand
from services.chassis.clock import helsinki, now
from services.chassis.reference.municipalities import regions

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
BAR = 46


def bars(counts: Iterable[tuple[str, int]]) -> Iterator[str]:
    """One line per pair, the longest bar ``BAR`` wide."""
    pairs = list(counts)
    most = max((count for _, count in pairs), default=1)
    for label, count in pairs:
        yield f"  {label:<34} {count:>9,}  {'█' * round(BAR * count / most)}".replace(",", " ")


def summary(network: Network, commands: list[VisitCommand]) -> Iterator[str]:
    yield from (SYNTHETIC[language] for language in ("fi", "sv", "en"))
    yield ""
    yield from _register(network)
    yield ""
    yield from _diary(network, commands)


def _register(network: Network) -> Iterator[str]:
    lists = ("parties", "renames", "successions", "points", "services", "agreements", "amendments", "terminations")
    yield "Commands:  " + ", ".join(f"{name} {len(getattr(network, name))}" for name in lists)
    written, day = network.written, network.today
    in_force = [a for a in written if a.covers(day)]
    yield (
        f"Agreements: {len(written)} written, {len(in_force)} in force on {day}, "
        f"{sum(len(a.versions) > 1 for a in written)} amended, "
        f"{sum(a.last_day is not None for a in written)} ended by notice, "
        f"{sum(len(a.commissioner_ids) > 1 for a in written)} with several authorities, "
        f"{sum(len(a.service_point_ids) > 1 for a in written)} with several points"
    )
    yield "Points by region:"
    by_region = Counter(p.municipality.region.code for p in network.service_points)
    yield from bars((f"{code} {region.fi}", by_region[code]) for code, region in regions().items())


def _diary(network: Network, commands: list[VisitCommand]) -> Iterator[str]:
    kinds = Counter(command.kind for command in commands)
    visits = [command for command in commands if command.kind == "visit"]
    acts = [act for visit in visits for act in visit.body["acts"]]
    yield f"Diary: {', '.join(f'{kind} {count}' for kind, count in kinds.most_common())}; acts {len(acts)}"
    days = [dt.date.fromisoformat(visit.body["occurred_at"][:10]) for visit in visits]
    yield "Visits by weekday:"
    by_weekday = Counter(day.weekday() for day in days)
    yield from bars((name, by_weekday[n]) for n, name in enumerate(WEEKDAYS))
    yield "Visits by month:"
    yield from bars(sorted(Counter(f"{day:%Y-%m}" for day in days).items()))
    yield "Acts by authority:"
    yield from bars(Counter(act["authority_id"] for act in acts).most_common(12))
    yield "Largest and smallest points:"
    names = {p.id: p.body["names"]["fi"] for p in network.service_points}
    by_point = Counter(visit.service_point_id for visit in visits).most_common()
    yield from bars((names[point], count) for point, count in by_point[:10] + by_point[-5:])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.demo.network", description=__doc__)
    parser.add_argument("--summary", action="store_true", required=True, help="print counts and charts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--visits", type=int, default=60_000)
    parser.add_argument("--today", type=dt.date.fromisoformat, help="default: the Helsinki date")
    options = parser.parse_args()
    present = helsinki(now())
    network = Network.make(options.seed, today=options.today or present.date())
    until = None if options.today else present
    commands = list(network.visits(*network.last_months(), options.visits, now=until))
    print("\n".join(summary(network, commands)))


if __name__ == "__main__":
    main()
