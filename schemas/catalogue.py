"""Importing this module registers every event type; it is the one place that knows all of them."""

from schemas import agreements, authority, billing, control, diary
from schemas.registry import model_of, types

__all__ = ["agreements", "authority", "billing", "control", "diary", "model_of", "types"]
