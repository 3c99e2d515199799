"""The cubes and the names beside them, as data: what a cell is told apart by, and what it counts. Pure.

Laws:
- A cube's columns are its key and its counts; every count is a sum over events, so cells may be added in any order and
  a record applied later. A cell whose counts are all zero is the same as no cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Kind(Enum):
    """What a key column holds."""

    DATE = "date"
    CODE = "code"
    SMALL = "small"
    FLAG = "flag"


DATE, CODE, SMALL, FLAG = Kind

CUBES: Mapping[str, tuple[Mapping[str, Kind], tuple[str, ...]]] = {
    "acts_month": (
        {
            "month": DATE, "point": CODE, "authority": CODE, "service": CODE, "task": CODE, "channel": CODE,
            "language": CODE, "performed_by": CODE, "coverage": CODE, "late": FLAG,
        },
        ("acts", "quantity", "minutes", "timed"),
    ),
    "acts_day": (
        {"day": DATE, "point": CODE, "authority": CODE, "channel": CODE},
        ("acts", "quantity", "visits"),
    ),
    "acts_hour": (
        {"month": DATE, "weekday": SMALL, "hour": SMALL, "point": CODE, "authority": CODE},
        ("acts",),
    ),
    "visits_day": (
        {
            "day": DATE, "point": CODE, "place": CODE, "language": CODE, "language_asked": CODE,
            "late": FLAG,
        },
        ("visits", "customers"),
    ),
    "documents_day": (
        {"day": DATE, "point": CODE, "authority": CODE},
        ("received", "forwarded"),
    ),
    "compensation_month": (
        {"month": DATE, "provider": CODE, "authority": CODE, "payer": CODE},
        ("cents", "credited_cents"),
    ),
    "invoices_month": (
        {"month": DATE, "provider": CODE, "payer": CODE},
        ("invoices", "credit_notes"),
    ),
}  # fmt: skip
"""Cube → (key columns, counts).

``acts_day.visits``: a visit is counted once for each authority that has an act in it, on the row of the channel of the
first such act; so it may be summed over channels, and not read by them.
``timed``: acts whose minutes were recorded; the others are not zero minutes but unknown ones.
"""

NAMES: Mapping[str, tuple[Mapping[str, Kind], tuple[str, ...]]] = {
    "parties": ({"party": CODE}, ("family", "kind")),
    "party_names": ({"party": CODE, "effective_from": DATE}, ("fi", "sv", "en")),
    "points": (
        {"point": CODE, "effective_from": DATE},
        ("provider", "municipality", "region", "fi", "sv", "en"),
    ),
    "services": ({"authority": CODE, "service": CODE, "valid_from": DATE}, ("fi", "sv", "en")),
}  # fmt: skip
"""Facts of the register: the newest statement about a key stands (by its log position)."""
