"""The diary: what happens at the counter, as it is told there.

Owns: visits with their acts, documents received and forwarded, stamps, receipts, CSV imports; the private store of
document keys and paper descriptions.
Emits: VisitRecorded, VisitCorrected, VisitVoided, DocumentReceived, DocumentForwarded on
``apudiaari.diary.events``, and each authority's own copies of them.
Consumes: ``apudiaari.agreements.events`` into its projection ``register``: parties and their successions, points,
services and agreement versions. What that projection knew at the moment of an entry is stamped on it as coverage;
nothing else depends on another service.
"""
