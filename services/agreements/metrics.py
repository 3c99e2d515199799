"""Metrics of the register and the agreements. No label names a party: these are figures of the whole network.

They follow the register of this process: they appear with its first append, and are right again after one that failed.
"""

from __future__ import annotations

from prometheus_client import Gauge

from services.agreements.domain.register import Register

AGREEMENTS = Gauge("apudiaari_agreements", "Agreements that every side has approved, and drafts", ["state"])
AWAITING = Gauge("apudiaari_agreement_versions_awaiting_approval", "Drafts and amendments that wait for a party")
REGISTER = Gauge("apudiaari_register_entries", "Parties, service points and services in the register", ["kind"])


def observe(register: Register) -> None:
    """Set the gauges from the register."""
    records = register.agreements.values()
    signed = sum(1 for record in records if record.in_force)
    AGREEMENTS.labels("signed").set(signed)
    AGREEMENTS.labels("draft").set(len(register.agreements) - signed)
    AWAITING.set(sum(1 for record in records if record.open_version is not None))
    for kind, entries in (("party", register.parties), ("point", register.points), ("service", register.services)):
        REGISTER.labels(kind).set(len(entries))
