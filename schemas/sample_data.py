"""What the samples say: small, complete, synthetic. No person, paper or sum in them is real."""

from __future__ import annotations

import datetime as dt
from uuid import UUID, uuid5

from schemas import agreements as a
from schemas import authority as au
from schemas import billing as b
from schemas import control as c
from schemas import diary as d
from schemas.base import EventData, Names

SPACE = UUID("6f1d8a52-3c5e-5b7a-9a64-2b1f0c0d3e77")
HELSINKI_WINTER = dt.timezone(dt.timedelta(hours=2))
DAY = dt.date(2026, 11, 24)
POINT, PROVIDER, RECORDER = "piste-732-1", "kunta-732", "hlo_7Kq2ZpTx"
HASH_A, HASH_B, HASH_C = "1f" * 32, "8c" * 32, "e0" * 32


def uid(name: str) -> UUID:
    """A fixed id with a name."""
    return uuid5(SPACE, name)


def at(hour: int, minute: int = 0, day: dt.date = DAY) -> dt.datetime:
    """A winter moment in Helsinki."""
    return dt.datetime.combine(day, dt.time(hour, minute), HELSINKI_WINTER)


IN_FORCE = d.Coverage(status="in_force", agreement_id=uid("agreement"), agreement_version=2, agreements_position=1450)
NONE = d.Coverage(status="none", agreements_position=1450)
KELA = d.Act(
    act_no=1, authority_id="kela", service="asumistuki", task="advise", channel="counter", quantity=1,
    minutes=20, performed_by="adviser", coverage=IN_FORCE,
)  # fmt: skip
VERO = d.Act(
    act_no=2, authority_id="vero", service="verokortti", task="receive_document", channel="counter", quantity=2,
    performed_by="adviser", coverage=NONE,
)  # fmt: skip
LATE = d.Late(reason="paper_notes", days=6)
VISIT = d.VisitFacts(
    occurred_at=at(10, 15), service_day=DAY, hour=10, customers=1, language="fi", place="point", acts=(KELA, VERO)
)
MORE = VISIT.model_copy(update={"acts": (KELA.model_copy(update={"minutes": 35}), VERO)})
ONE_ACT = VISIT.model_copy(update={"acts": (KELA,)})
DROP_BOX = d.VisitFacts(
    occurred_at=at(8, 5), service_day=DAY, hour=8, customers=0, language="other", place="point", late=LATE,
    acts=(VERO.model_copy(update={"act_no": 1, "channel": "drop_box"}),),
)  # fmt: skip
REMOTE = d.VisitFacts(
    occurred_at=at(13, 40), service_day=DAY, hour=13, customers=2, language="sv", language_asked="se", place="link",
    acts=(KELA.model_copy(update={"channel": "remote", "performed_by": "remote_expert"}),),
)  # fmt: skip
OF_VISIT = {"visit_id": uid("visit"), "service_point_id": POINT, "provider_id": PROVIDER, "recorder": RECORDER}
OF_PAPER = {
    "document_id": uid("paper"), "service_point_id": POINT, "provider_id": PROVIDER, "authority_id": "vero",
}  # fmt: skip
RECEIVED = d.Received(earliest=at(10, 16), latest=at(10, 16))
NIGHT = d.Received(earliest=at(16, 0, dt.date(2026, 11, 23)), latest=at(8, 5))
STAMP = d.Stamp(stamp_id=uid("stamp"), stamped_at=at(10, 16))

DIARY: dict[str, EventData] = {
    "two_authorities": d.VisitRecorded(**OF_VISIT, visit=VISIT),
    "drop_box_late": d.VisitRecorded(**OF_VISIT | {"visit_id": uid("box")}, visit=DROP_BOX),
    "remote": d.VisitRecorded(**OF_VISIT | {"visit_id": uid("remote")}, visit=REMOTE),
    "minutes": d.VisitCorrected(**OF_VISIT, replaces=1, reason="wrong_quantity", before=VISIT, after=MORE),
    "act_removed": d.VisitCorrected(**OF_VISIT, replaces=2, reason="mistake", before=MORE, after=ONE_ACT),
    "mistake": d.VisitVoided(**OF_VISIT, replaces=3, reason="mistake", before=ONE_ACT),
    "duplicate": d.VisitVoided(
        **OF_VISIT | {"visit_id": uid("box")}, replaces=1, reason="duplicate", before=DROP_BOX
    ),
    "stamped": d.DocumentReceived(
        **OF_PAPER, visit_id=uid("visit"), act_no=2, recorder=RECORDER, kind="hakemus", mode="counter",
        received=RECEIVED, service_day=DAY, stamp=STAMP, deadline=dt.date(2026, 11, 30), commitment=HASH_A,
        coverage=NONE,
    ),
    "from_drop_box": d.DocumentReceived(
        **OF_PAPER | {"document_id": uid("paper in box")}, visit_id=uid("box"), act_no=1, recorder=RECORDER,
        kind="liite", mode="drop_box", received=NIGHT, service_day=DAY, late=LATE, commitment=HASH_B, coverage=IN_FORCE,
    ),
    "by_post": d.DocumentForwarded(**OF_PAPER, recorder=RECORDER, replaces=1, forwarded_at=at(15), means="post"),
    "electronically": d.DocumentForwarded(
        **OF_PAPER | {"document_id": uid("paper in box")}, recorder=RECORDER, replaces=1, forwarded_at=at(8, 30),
        means="electronic",
    ),
}  # fmt: skip
PILOT = {
    "visit_id": str(uid("pilot")), "service_point_id": POINT, "provider_id": PROVIDER, "recorder": RECORDER,
    "visit": {
        "occurred_at": "2026-02-03T09:30:00+02:00", "service_day": "2026-02-03", "hour": 9, "customers": 1,
        "language": "fi",
        "acts": [
            {
                "act_no": 1, "authority_id": "kela", "service": "asumistuki", "task": "advise", "channel": "counter",
                "quantity": 1, "minutes": "12", "performed_by": "adviser",
                "coverage": {"status": "none", "agreements_position": 7},
            },
            {
                "act_no": 2, "authority_id": "vero", "service": "verokortti", "task": "advise", "channel": "counter",
                "quantity": 1, "performed_by": "adviser", "coverage": {"status": "none", "agreements_position": 7},
            },
        ],
    },
}  # fmt: skip
"""Data of the pilot's VisitRecorded, version 0; it has no model any more."""

KELA_NAMES = Names(fi="Kansaneläkelaitos", sv="Folkpensionsanstalten", en="Social Insurance Institution")
SALLA = Names(fi="Sallan yhteispalvelupiste", sv="Salla samservice", en="Salla service point", se="Salla bálvalanbáiki")
SALLA_POINT = a.ServicePoint(
    provider_id=PROVIDER, names=SALLA, municipality_code="732", region_code="19", visiting_address="Esimerkkitie 1",
    postal_address="Esimerkkitie 1, 98900 Salla", email="piste@esimerkki.invalid", phone="+358 40 000 0000",
    responsible_title="palveluneuvoja", located_in="town_hall", accessible=True, confidential_room=True,
    remote_room=True, remote_equipment=True, common_sign=True,
    opening_hours=tuple(a.OpeningHours(weekday=day, opens="09:00", closes="15:00") for day in range(1, 6)),
    checked_on=dt.date(2026, 1, 15), open_from=dt.date(2014, 1, 1),
)  # fmt: skip
AGREEMENT = a.Agreement(
    provider_id=PROVIDER, commissioner_ids=("kela",), service_point_ids=(POINT,), valid_from=dt.date(2026, 1, 1)
)
PER_ACT = a.Tariff(item="perus", kind="per_act", authority_id="kela", price="7.50")
TERMS = a.Terms(
    tasks=("advise", "receive_document"), services=(a.ServiceRef(authority_id="kela", code="asumistuki"),),
    items={item: f"Esimerkki: kohta {number}." for number, item in enumerate(a.ITEMS, 1)},
    pendency=a.Pendency(at_receipt=True, kinds=("hakemus",), closing_time="15:00"), tariffs=(PER_ACT,),
)  # fmt: skip
DEARER = TERMS.model_copy(
    update={
        "tariffs": (
            PER_ACT.model_copy(update={"price": "8.25"}),
            a.Tariff(
                item="etapalvelu", kind="included_then_per_act", authority_id="kela", channel="remote", price="11.00",
                included=10, payer_id="kela",
            ),
        ),
        "vat": a.Vat(rate="25.5"),
    }
)  # fmt: skip
FIRST = {"agreement_id": uid("agreement"), "version": 1, "agreement": AGREEMENT, "terms": TERMS,
         "effective_from": dt.date(2026, 1, 1)}  # fmt: skip
SECOND = FIRST | {"version": 2, "terms": DEARER, "effective_from": dt.date(2026, 9, 1)}
SIGNED = {"signed_on": dt.date(2025, 12, 10)}
END = {"agreement_id": uid("agreement"), "agreement": AGREEMENT, "notice_by": PROVIDER}

AGREEMENTS: dict[str, EventData] = {
    "authority": a.PartyRegistered(
        party_id="kela",
        party=a.Party(
            kind="authority", family="kela", names=KELA_NAMES, business_id="0246246-0", valid_from=dt.date(1937, 12, 16)
        ),
    ),
    "municipality": a.PartyRegistered(
        party_id=PROVIDER,
        party=a.Party(
            kind="municipality", family=PROVIDER, names=Names(fi="Salla", sv="Salla", en="Salla"),
            municipality_code="732", valid_from=dt.date(1857, 1, 1),
        ),
    ),
    "new_name": a.PartyRenamed(party_id="kela", names=KELA_NAMES, effective_from=dt.date(2026, 1, 1)),
    "with_sami_name": a.PartyRenamed(
        party_id=PROVIDER, names=Names(fi="Salla", sv="Salla", en="Salla", se="Kuolajärvi"),
        effective_from=dt.date(2026, 3, 1),
    ),
    "whole_country": a.PartySucceeded(
        party_id="maistraatti", successor_id="dvv", effective_from=dt.date(2020, 1, 1)
    ),
    "area": a.PartySucceeded(
        party_id="te-toimisto", successor_id=PROVIDER, effective_from=dt.date(2025, 1, 1), municipality_codes=("732",)
    ),
    "salla": a.ServicePointRegistered(service_point_id=POINT, point=SALLA_POINT),
    "least": a.ServicePointRegistered(
        service_point_id="piste-732-2",
        point=a.ServicePoint(
            provider_id=PROVIDER, names=Names(fi="Kursu", sv="Kursu", en="Kursu"), municipality_code="732",
            region_code="19", visiting_address="Esimerkkitie 2", located_in="library", accessible=False,
            confidential_room=False, remote_room=False, remote_equipment=False, common_sign=False, in_preparation=True,
            opening_hours=(), checked_on=dt.date(2026, 1, 15), open_from=dt.date(2026, 12, 1),
        ),
    ),
    "fewer_hours": a.ServicePointChanged(
        service_point_id=POINT, effective_from=dt.date(2026, 10, 1),
        point=SALLA_POINT.model_copy(update={"opening_hours": SALLA_POINT.opening_hours[:3]}),
    ),
    "exceptions": a.ServicePointChanged(
        service_point_id=POINT, effective_from=dt.date(2026, 12, 1),
        point=SALLA_POINT.model_copy(update={"opening_exceptions": "Suljettu 24.12.", "village": "Kirkonkylä"}),
    ),
    "closed": a.ServicePointClosed(service_point_id="piste-732-2", last_day=dt.date(2027, 5, 31)),
    "merged": a.ServicePointClosed(
        service_point_id="piste-732-2", last_day=dt.date(2027, 5, 31), successor_id=POINT
    ),
    "housing_allowance": a.ServiceDefined(
        authority_id="kela", code="asumistuki",
        names=Names(fi="Asumistuki", sv="Bostadsbidrag", en="Housing allowance"),
        tasks=("advise", "receive_document"), standard=True, valid_from=dt.date(2017, 6, 1),
    ),
    "ended": a.ServiceDefined(
        authority_id="vero", code="verokortti", names=Names(fi="Verokortti", sv="Skattekort", en="Tax card"),
        tasks=("advise",), standard=False, valid_from=dt.date(2017, 6, 1), valid_until=dt.date(2026, 12, 31),
    ),
    "first_draft": a.AgreementProposed(**FIRST),
    "amendment_draft": a.AgreementProposed(**SECOND),
    "by_provider": a.AgreementApproved(
        agreement_id=uid("agreement"), version=1, party_id=PROVIDER, approver="hlo_9dRw1LmA"
    ),
    "by_authority": a.AgreementApproved(
        agreement_id=uid("agreement"), version=1, party_id="kela", approver="hlo_Xy40aaPq"
    ),
    "first": a.AgreementSigned(**FIRST | SIGNED),
    "fixed_term": a.AgreementSigned(
        **FIRST | SIGNED | {"agreement": AGREEMENT.model_copy(update={"valid_until": dt.date(2027, 12, 31)})}
    ),
    "backwards": a.AgreementAmended(**SECOND | {"signed_on": DAY}),
    "forwards": a.AgreementAmended(**SECOND | {"effective_from": dt.date(2027, 1, 1), "signed_on": DAY}),
    "by_notice": a.AgreementTerminated(**END, last_day=dt.date(2027, 2, 28), notice_on=dt.date(2026, 11, 20)),
    "by_commissioner": a.AgreementTerminated(
        **END | {"notice_by": "kela"}, last_day=dt.date(2027, 6, 30), notice_on=dt.date(2026, 12, 1)
    ),
}  # fmt: skip

LINE = b.Line(
    line_no=1, agreement_id=uid("agreement"), agreement_version=1, commissioner_id="kela", service_month="2026-10",
    item="perus", clause="per_act", unit="act", quantity=42, unit_price="7.50", amount="315.00",
)  # fmt: skip
BACK = LINE.model_copy(
    update={"quantity": -42, "amount": "-315.00", "reverses": b.LineRef(number="732-2026-17", line_no=1)}
)
AGAIN = LINE.model_copy(update={"line_no": 2, "quantity": 40, "amount": "300.00"})
EXEMPT = b.VatTotal(exempt_reason="viranomaistoiminta", base="315.00", vat="0.00")
CUT = b.CutOffs(diary=61204, agreements=1450)
DOCUMENT = {
    "invoice_id": uid("invoice"), "run_id": uid("run"), "number": "732-2026-17", "provider_id": PROVIDER,
    "payer_id": "kela", "period": "2026-10", "issued_on": DAY, "due_on": dt.date(2026, 12, 8), "reference": "732202613",
    "rating_version": 1, "cut_offs": CUT, "lines": (LINE,), "vat": (EXEMPT,), "total": "315.00",
}  # fmt: skip
CREDIT = DOCUMENT | {
    "invoice_id": uid("credit note"), "run_id": uid("next run"), "number": "732-2026-18", "reference": "732202626",
    "period": "2026-11", "lines": (BACK, AGAIN), "total": "-15.00", "corrects": ("732-2026-17",),
    "vat": (EXEMPT.model_copy(update={"base": "-15.00"}),),
}  # fmt: skip
FEED = b.FeedRange(feed="kela", last=9120, root=HASH_C)
TAXED = b.VatTotal(rate="25.5", base="315.00", vat="80.33")

BILLING: dict[str, EventData] = {
    "plain": b.InvoiceIssued(**DOCUMENT),
    "with_vat_and_feed": b.InvoiceIssued(
        **DOCUMENT
        | {
            "number": "732-2026-19", "invoice_id": uid("taxed"), "feed": FEED, "vat": (TAXED,), "total": "395.33",
            "lines": (LINE.model_copy(update={"vat_rate": "25.5"}),),
        }
    ),
    "acts_corrected": b.CreditNoteIssued(**CREDIT),
    "with_feed": b.CreditNoteIssued(**CREDIT | {"feed": FEED}),
    "with_documents": b.BillingPeriodClosed(
        provider_id=PROVIDER, period="2026-10", run_id=uid("run"), cut_offs=CUT, documents=("732-2026-17",)
    ),
    "nothing_to_bill": b.BillingPeriodClosed(
        provider_id=PROVIDER, period="2026-09", run_id=uid("empty run"), cut_offs=CUT, documents=()
    ),
}  # fmt: skip
CONTROL: dict[str, EventData] = {
    "seal": c.Sealed(position=61204, root=HASH_A),
    "empty_log": c.Sealed(position=0, root="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
}


def _seen(facts: d.VisitFacts) -> au.AuthorityVisitFacts:
    """Kela's part of a visit."""
    kept = facts.model_dump(exclude={"customers", "language_asked", "acts"})
    return au.AuthorityVisitFacts(**kept, acts=tuple(act for act in facts.acts if act.authority_id == "kela"))


OF_REF = {"visit_ref": HASH_A, "service_point_id": POINT, "provider_id": PROVIDER}
PAPER_SEEN = {
    "document_id": uid("paper"), "service_point_id": POINT, "provider_id": PROVIDER, "visit_ref": HASH_B, "act_no": 1,
    "kind": "hakemus", "mode": "counter", "received": RECEIVED, "commitment": HASH_A, "coverage": NONE,
}  # fmt: skip
SENT = {"document_id": uid("paper"), "service_point_id": POINT, "provider_id": PROVIDER, "means": "post"}
DECISION = {"agreement_id": uid("agreement"), "version": 1}
AUTHORITY: dict[str, EventData] = {
    "own_act": au.AuthorityVisitRecorded(**OF_REF, visit=_seen(VISIT)),
    "remote": au.AuthorityVisitRecorded(**OF_REF | {"visit_ref": HASH_B}, visit=_seen(REMOTE)),
    "minutes": au.AuthorityVisitCorrected(**OF_REF, reason="wrong_quantity", before=_seen(VISIT), after=_seen(MORE)),
    "no_longer_concerned": au.AuthorityVisitCorrected(**OF_REF, reason="wrong_authority", before=_seen(VISIT)),
    "mistake": au.AuthorityVisitVoided(**OF_REF, reason="mistake", before=_seen(ONE_ACT)),
    "duplicate": au.AuthorityVisitVoided(
        **OF_REF | {"visit_ref": HASH_B}, reason="duplicate", before=_seen(REMOTE)
    ),
    "stamped": au.AuthorityDocumentReceived(**PAPER_SEEN, deadline=dt.date(2026, 11, 30)),
    "from_drop_box": au.AuthorityDocumentReceived(
        **PAPER_SEEN | {"mode": "drop_box", "received": NIGHT, "late": LATE, "coverage": IN_FORCE}
    ),
    "by_post": au.AuthorityDocumentForwarded(**SENT, forwarded_at=at(15)),
    "electronically": au.AuthorityDocumentForwarded(**SENT | {"means": "electronic"}, forwarded_at=at(8, 30)),
    "first_draft": au.AuthorityAgreementProposed(**FIRST),
    "amendment_draft": au.AuthorityAgreementProposed(**SECOND),
    "by_provider": au.AuthorityAgreementApproved(**DECISION, party_id=PROVIDER),
    "by_authority": au.AuthorityAgreementApproved(**DECISION, party_id="kela"),
    "first": au.AuthorityAgreementSigned(**FIRST | SIGNED),
    "paper_not_dated": au.AuthorityAgreementSigned(**FIRST),
    "backwards": au.AuthorityAgreementAmended(**SECOND | {"signed_on": DAY}),
    "forwards": au.AuthorityAgreementAmended(**SECOND | {"effective_from": dt.date(2027, 1, 1), "signed_on": DAY}),
    "by_notice": au.AuthorityAgreementTerminated(**END, last_day=dt.date(2027, 2, 28), notice_on=DAY),
    "by_commissioner": au.AuthorityAgreementTerminated(
        **END | {"notice_by": "kela"}, last_day=dt.date(2027, 6, 30), notice_on=dt.date(2026, 12, 1)
    ),
    "plain": au.AuthorityInvoiceIssued(**DOCUMENT),
    "with_feed": au.AuthorityInvoiceIssued(**DOCUMENT | {"feed": FEED}),
    "acts_corrected": au.AuthorityCreditNoteIssued(**CREDIT),
    "credit_with_feed": au.AuthorityCreditNoteIssued(**CREDIT | {"feed": FEED}),
}  # fmt: skip
