"""Code lists with their dates (R1, R4). The schemas take any code; the deciders know which are right on which day."""

from __future__ import annotations

import datetime as dt

AUTHORITY_KINDS = frozenset({"state", "municipality", "joint_municipal", "municipal", "kela", "wellbeing_county"})
"""Who may be provider or commissioner. ``municipal`` is a municipal authority of another form, such as an employment
area.
"""
TENANT_KINDS = frozenset({"third_sector", "private"})
"""Who may share the room, but never has an agreement (R1)."""
PARTY_KINDS = AUTHORITY_KINDS | TENANT_KINDS

WELLBEING_COUNTIES_SINCE = dt.date(2023, 1, 1)
"""893/2022."""
JOINT_SERVICE_SINCE = dt.date(2007, 4, 1)
"""223/2007 came into force; no agreement under it is older."""
TASKS_2017_SINCE = dt.date(2017, 6, 1)
"""247/2017."""
TASKS_2007 = frozenset({"identify", "receive_document", "hand_out", "collect_fee", "support", "start_matter"})
TASKS_2017 = frozenset(
    {"identify", "advise", "appoint", "receive_document", "hand_out", "collect_fee", "support", "sell", "mandate"}
)
MANDATE = "mandate"
"""571/2016 §10 b: registration of mandates, a task of the population register's family of authorities only."""
MANDATE_FAMILY = "dvv"

CHANNELS = frozenset({"counter", "phone", "remote", "home_visit", "post", "drop_box"})
TARIFF_KINDS = frozenset({"per_act", "per_started_minute", "per_minute", "fixed_monthly", "included_then_per_act"})
FIXED = "fixed_monthly"
INCLUDED = "included_then_per_act"
EXEMPT_REASONS = frozenset({"viranomaistoiminta", "no_compensation", "other"})
LOCATIONS = frozenset(
    {
        "town_hall", "library", "kela_office", "health_centre", "joint_house", "shopping_centre", "police_station",
        "tax_office", "village_hall", "other",
    }
)  # fmt: skip


def tasks_on(day: dt.date) -> frozenset[str]:
    """The closed list of §6 on a day: six tasks before 1.6.2017, eight after it and the mandates (R4)."""
    return TASKS_2017 if day >= TASKS_2017_SINCE else TASKS_2007
