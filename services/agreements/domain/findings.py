"""What is wrong with a request, gathered so that a person mends it in one go."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.chassis.errors import FieldError, Invalid

MAX_FINDINGS = 100


@dataclass(slots=True)
class Findings:
    """Collects failures with their places; :meth:`refuse` raises them together, the first one giving its code."""

    found: list[FieldError] = field(default_factory=list)

    def add(self, pointer: str, code: str, detail: str) -> None:
        """One thing that is wrong; ``pointer`` is a JSON Pointer into the body."""
        self.found.append(FieldError(pointer, code, detail))

    def check(self, holds: bool, pointer: str, code: str, detail: str) -> bool:
        """Add the failure unless ``holds``; gives ``holds`` back."""
        if not holds:
            self.add(pointer, code, detail)
        return holds

    def refuse(self) -> None:
        """Raise :class:`~services.chassis.errors.Invalid` if anything was found."""
        if self.found:
            first = self.found[0]
            more = f" {len(self.found) - 1} more in errors." if len(self.found) > 1 else ""
            raise Invalid(first.code, first.detail + more, errors=tuple(self.found[:MAX_FINDINGS]))
