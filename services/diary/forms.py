"""The counter's forms: what was typed becomes the body of a command, and what is refused finds its field again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError

from services.chassis.clock import HELSINKI
from services.chassis.errors import ApudiaariError, FieldError
from services.chassis.problems import field_errors
from services.diary.choices import usual_task
from services.diary.domain.entries import RecordVisit
from services.diary.domain.register import Register
from services.diary.reading import Visit

MAX_ACTS_ON_PAGE = 10
ACT_FIELDS = ("service", "task", "channel", "quantity", "minutes", "performed_by")
Form = dict[str, str]


def empty(point_id: str, acts: int = 1) -> Form:
    """The form of the common case: one act, one customer, now."""
    form = {"id": str(uuid4()), "point": point_id, "customers": "1", "language": "fi", "acts": str(acts)}
    form |= dict.fromkeys(("day", "time", "late_reason", "language_asked", "occurred_at"), "")
    for number in range(acts):
        form |= _empty_act(number)
    return form


def _empty_act(number: int) -> Form:
    values = {"channel": "counter", "quantity": "1", "performed_by": "adviser"}
    return {f"{name}-{number}": values.get(name, "") for name in ACT_FIELDS}


def read(data: Mapping[str, Any]) -> Form:
    """Whatever was sent, over an empty form: fields that are missing are as they begin."""
    sent = {name: str(value).strip()[:200] for name, value in data.items() if isinstance(value, str)}
    wanted = _number(sent.get("acts"))
    acts = min(max(wanted, 1), MAX_ACTS_ON_PAGE) if isinstance(wanted, int) else 1
    return {**empty(sent.get("point", ""), acts), **sent, "acts": str(acts)}


def with_another_act(form: Form) -> Form:
    """The same form with room for one act more."""
    acts = min(int(form["acts"]) + 1, MAX_ACTS_ON_PAGE)
    return {**_empty_act(acts - 1), **form, "acts": str(acts)}


def of_visit(visit: Visit) -> Form:
    """A recorded visit as the form that would say the same."""
    facts = visit.facts
    local = facts.occurred_at.astimezone(HELSINKI)
    form = empty(visit.first.data.service_point_id, len(facts.acts))
    form |= {
        "day": local.date().isoformat(),
        "time": local.strftime("%H:%M"),
        "occurred_at": facts.occurred_at.isoformat(),
        "late_reason": facts.late.reason if facts.late else "",
        "customers": str(facts.customers),
        "language": facts.language,
        "language_asked": facts.language_asked or "",
    }
    for number, act in enumerate(facts.acts):
        values = {
            "service": f"{act.authority_id}:{act.service}",
            "task": act.task,
            "channel": act.channel,
            "quantity": str(act.quantity),
            "minutes": "" if act.minutes is None else str(act.minutes),
            "performed_by": act.performed_by,
        }
        form |= {f"{name}-{number}": value for name, value in values.items()}
    return form


def entry_of(form: Form, known: Register, now: dt.datetime) -> RecordVisit:
    """The entry that a form means. Raises ApudiaariError with pointers that ``field_of`` finds the fields of."""
    moment, wrong = _moment(form, now)
    body = {
        "service_point_id": form["point"],
        "occurred_at": moment,
        "customers": _number(form["customers"]) if form["customers"] else 1,
        "language": form["language"],
        "language_asked": form["language_asked"] or None,
        "late_reason": form["late_reason"] or None,
        "acts": [_act(form, number, known, moment or now) for number in _filled(form)],
    }
    try:
        entry = RecordVisit.model_validate(body)
    except ValidationError as error:
        wrong += [each for each in field_errors(error.errors()) if each.pointer != "/occurred_at"]
    if wrong:
        raise ApudiaariError(wrong[0].code, wrong[0].detail, 422, errors=tuple(wrong))
    return entry


def _filled(form: Form) -> list[int]:
    """The acts that say something; the first one always."""
    return [number for number in range(int(form["acts"])) if number == 0 or form[f"service-{number}"]]


def _act(form: Form, number: int, known: Register, moment: dt.datetime) -> dict[str, Any]:
    authority, _, code = form[f"service-{number}"].partition(":")
    point = known.points.get(form["point"])
    day = moment.astimezone(HELSINKI).date()
    task = form[f"task-{number}"]
    if not task and point is not None:
        task = usual_task(known, authority, code, point.on(day).municipality, day)
    minutes = form[f"minutes-{number}"]
    return {
        "authority_id": authority,
        "service": code,
        "task": task,
        "channel": form[f"channel-{number}"],
        "quantity": _number(form[f"quantity-{number}"]),
        "minutes": _number(minutes) if minutes else None,
        "performed_by": form[f"performed_by-{number}"],
    }


def _moment(form: Form, now: dt.datetime) -> tuple[dt.datetime | None, list[FieldError]]:
    """The stated day and time in Helsinki; without them the moment the page noted, or now."""
    if not form["day"] and not form["time"]:
        return _noted(form, now), []
    try:
        day = dt.date.fromisoformat(form["day"]) if form["day"] else now.astimezone(HELSINKI).date()
        time = dt.time.fromisoformat(form["time"].replace(".", ":").rjust(5, "0")) if form["time"] else dt.time(12)
    except ValueError:
        return None, [FieldError("/occurred_at", "not_a_time", "Write the day and the time of the visit.")]
    stated = dt.datetime.combine(day, time, HELSINKI)
    noted = _noted(form, stated)
    same_minute = noted.astimezone(HELSINKI).replace(second=0, microsecond=0) == stated
    return (noted if same_minute else stated), []


def _noted(form: Form, otherwise: dt.datetime) -> dt.datetime:
    try:
        noted = dt.datetime.fromisoformat(form["occurred_at"])
    except ValueError:
        return otherwise
    return noted if noted.tzinfo is not None else otherwise


def _number(text: str | None) -> int | str | None:
    """A whole number, or the text as it is: the entry's model then says what is wrong with it."""
    return (
        int(text) if text and text.lstrip("-").isascii() and text.lstrip("-").isdecimal() and len(text) < 10 else text
    )


def identity(form: Form) -> UUID:
    """The id made with the form, so that sending it twice records once."""
    try:
        return UUID(form["id"])
    except ValueError:
        return uuid4()


def field_of(pointer: str) -> str | None:
    """The id of the field that a pointer into the entry means."""
    parts = pointer.removeprefix("/visit").strip("/").split("/")
    if parts[0] == "acts" and len(parts) > 2 and parts[1].isdigit():
        name = "service" if parts[2] == "authority_id" else parts[2]
        return f"{name}-{parts[1]}" if name in ACT_FIELDS else None
    if parts[0] == "acts":
        return "service-0"
    name = {"occurred_at": "day", "service_point_id": "point"}.get(parts[0], parts[0])
    return name or None


def problems(error: ApudiaariError) -> Sequence[FieldError]:
    """What is wrong, place by place; of an error without places, the error itself."""
    return error.errors or (FieldError("", error.code, error.detail),)
