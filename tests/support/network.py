"""The synthetic network and a register that has folded it, made once per process for the tests that stand on them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cache
from uuid import UUID

from deploy.demo.network import Command, Network
from deploy.demo.network.commands import Body
from schemas.base import EventData
from services.agreements.domain import agreements as rules
from services.agreements.domain import commands as requests
from services.agreements.domain import parties, points
from services.agreements.domain.register import Register

TODAY = dt.date(2026, 11, 24)


@cache
def network(seed: int = 1, today: dt.date = TODAY) -> Network:
    return Network.make(seed, today=today)


def apply(register: Register, command: Command, today: dt.date) -> None:
    """Decide one command by the register's own rules, and fold what came of it."""
    kind, subject, *rest = command.path.split("/")[2:]
    body = command.body if command.method == "PUT" else {k: v for k, v in command.body.items() if k != "id"}
    events: Sequence[EventData]
    match kind, *rest:
        case ["parties"]:
            events = [parties.register_party(register, subject, requests.RegisterParty(**body))]
        case ["parties", "renaming"]:
            events = [parties.rename_party(register, subject, requests.RenameParty(**body))]
        case ["parties", "succession"]:
            events = [parties.succeed_party(register, subject, requests.SucceedParty(**body))]
        case ["service-points"]:
            events = [points.register_point(register, subject, requests.RegisterPoint(**body), today)]
        case ["services", code]:
            events = [points.define_service(register, subject, code, requests.DefineService(**body))]
        case _:
            events = apply_to_agreement(register, command, UUID(subject), body, today)
    for event in events:
        register.apply(event)


def apply_to_agreement(
    register: Register, command: Command, agreement_id: UUID, body: Body, today: dt.date
) -> Sequence[EventData]:
    match command.path.split("/")[4:]:
        case []:
            return [rules.propose(register, agreement_id, requests.ProposeAgreement(**body), today)]
        case ["approvals"]:
            party = command.party_id
            return rules.approve(register, agreement_id, body["version"], party, "neuvoja", today)
        case ["amendments"]:
            amendment = requests.AmendAgreement(**body)
            return [rules.amend(register, agreement_id, amendment, command.party_id, today)]
        case ["termination"]:
            notice = requests.TerminateAgreement(**body)
            return [rules.terminate(register, agreement_id, notice, command.party_id, today)]
    raise AssertionError(command.path)


@cache
def register(seed: int = 1, today: dt.date = TODAY) -> Register:
    known = Register()
    for command in network(seed, today).commands():
        apply(known, command, today)
    return known
