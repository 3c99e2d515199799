"""Which topics feed which projection."""

from __future__ import annotations

from services.billing import projection

PROJECTIONS = (projection.spec(),)
"""``billing`` ← apudiaari.diary.events, apudiaari.agreements.events."""
