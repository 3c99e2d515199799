"""Topics that feed this service: the diary's, the agreements' and billing's, all into one projection."""

from __future__ import annotations

from services.chassis.projection.model import ProjectionSpec
from services.statistics.projection import SPEC

PROJECTIONS: tuple[ProjectionSpec, ...] = (SPEC,)
