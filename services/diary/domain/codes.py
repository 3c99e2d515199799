"""The code lists of the counter. They belong to dates, not to schemas: an old reader must survive a new member."""

from __future__ import annotations

import datetime as dt

TASKS_2007 = ("identify", "receive_document", "hand_out", "collect_fee", "support", "start_matter")
"""223/2007 §6 as first in force (1.4.2007)."""
TASKS_2017 = ("identify", "advise", "appoint", "receive_document", "hand_out", "collect_fee", "support", "sell")
"""223/2007 §6 as amended by 247/2017 (1.6.2017)."""
MANDATE = "mandate"
"""Registration of mandates for DVV (571/2016 §10 b), beside the list (R4)."""
TASKS_2017_SINCE = dt.date(2017, 6, 1)

_OLD = frozenset(TASKS_2007)
_NEW = frozenset((*TASKS_2017, MANDATE))

CHANNELS = ("counter", "phone", "remote", "home_visit", "post", "drop_box")
WITHOUT_CUSTOMER = frozenset({"post", "drop_box"})
"""Channels in which nobody need be present: a visit with 0 customers (design.md §3)."""
LANGUAGES = ("fi", "sv", "en", "se", "other")
PLACES = ("point", "home", "phone", "link")
PLACE_OF = {"phone": "phone", "remote": "link", "home_visit": "home"}
"""Where a channel serves, unless the entry says otherwise."""
PERFORMERS = ("adviser", "own_staff", "remote_expert")
LATE_REASONS = ("outage", "paper_notes", "forgotten", "offline", "other")
CORRECTION_REASONS = (
    "wrong_authority", "wrong_service", "wrong_quantity", "wrong_time", "duplicate", "mistake", "other",
)  # fmt: skip

DOCUMENT_KINDS = ("application", "attachment", "notification", "appeal", "request", "statement", "other")
ARRIVAL_MODES = ("handed_over", "drop_box", "post", "remote_scan", "agent")
"""How a paper came (R18)."""
MEANS = ("post", "courier", "internal_mail", "electronic", "in_person", "other")
"""How a paper went on."""

KNOWN = {
    "channel": frozenset(CHANNELS),
    "language": frozenset(LANGUAGES),
    "place": frozenset(PLACES),
    "performed_by": frozenset(PERFORMERS),
    "late_reason": frozenset(LATE_REASONS),
    "reason": frozenset(CORRECTION_REASONS),
    "kind": frozenset(DOCUMENT_KINDS),
    "mode": frozenset(ARRIVAL_MODES),
    "means": frozenset(MEANS),
}


def tasks_on(day: dt.date) -> tuple[str, ...]:
    """The tasks of 223/2007 §6 on a date, in the order of the section (R4)."""
    return (*TASKS_2017, MANDATE) if day >= TASKS_2017_SINCE else TASKS_2007


def is_task(code: str, day: dt.date) -> bool:
    """Whether the law of that date knew the task."""
    return code in (_NEW if day >= TASKS_2017_SINCE else _OLD)
