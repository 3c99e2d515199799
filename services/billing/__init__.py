"""Billing: what the diary recorded, priced by the agreements, becomes invoices and credit notes that explain
themselves.

Owns: the acts as billing knows them (append-only, folded from the diary), the terms as it knows them (folded from the
    agreements), the providers' invoice series, and the read tables of invoices, lines and runs.
Emits: InvoiceIssued, CreditNoteIssued, BillingPeriodClosed.
Consumes: VisitRecorded, VisitCorrected, VisitVoided; AgreementSigned, AgreementAmended, AgreementTerminated,
    PartyRegistered, PartyRenamed, PartySucceeded, ServicePointRegistered, ServicePointChanged.

A visit becomes rows in ``projection.py``; rows become euros in ``domain/rating.py``; euros become lines of a document
in ``domain/difference.py`` and ``domain/documents.py``; a document becomes an event in ``handlers.py``.
"""
