"""Topics that feed this service: none. What it decides rests on its own log alone (design.md, first paragraph)."""

from __future__ import annotations

from services.chassis.projection.model import ProjectionSpec

PROJECTIONS: tuple[ProjectionSpec, ...] = ()
