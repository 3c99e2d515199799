"""Projections: table sets folded from topics, versioned, rebuildable, with their position in the same database."""

from services.chassis.projection.model import Deltas, ProjectionSpec, Source
from services.chassis.projection.registry import TopicPosition, active_schema, active_version, positions

__all__ = ["Deltas", "ProjectionSpec", "Source", "TopicPosition", "active_schema", "active_version", "positions"]
