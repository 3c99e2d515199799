"""Topic → projection: what the diary listens to."""

from services.diary import projection

PROJECTIONS = (projection.SPEC,)
"""``apudiaari.agreements.events`` → ``register``."""
