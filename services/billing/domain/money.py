"""Money without floats: cents and ten-thousandths of a euro as integers, rounded half up away from zero (R29).

``Price`` on the wire has two to four decimals, so ten-thousandths hold it exactly; 64 bits hold 999 quantities of the
dearest price a million times over.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal


def ten_thousandths(price: str) -> int:
    """``"12.3"`` → 123000. Raises ValueError for more than four decimals."""
    scaled = Decimal(price).scaleb(4)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"price {price} has more than four decimals")
    return int(scaled)


def price_text(tenths: int) -> str:
    """Ten-thousandths as a price: two decimals, more only where they say something (``"0.125"``)."""
    whole, part = divmod(tenths, 10_000)
    digits = f"{part:04d}"
    return f"{whole}.{digits[:2]}{digits[2:].rstrip('0')}"


def cents(amount: str) -> int:
    """``"-12.34"`` → -1234."""
    return int(Decimal(amount).scaleb(2))


def amount_text(value: int) -> str:
    """-1234 → ``"-12.34"``."""
    whole, part = divmod(abs(value), 100)
    return f"{'-' if value < 0 else ''}{whole}.{part:02d}"


def half_up(numerator: int, denominator: int) -> int:
    """Nearest integer; halves go away from zero, so that a credit is the exact mirror of its invoice."""
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -magnitude if numerator < 0 else magnitude


def vat_cents(base: int, rate: str) -> int:
    """VAT of ``base`` cents at ``rate`` percent: 100 at ``"25.5"`` is 26."""
    return half_up(base * int(Decimal(rate).scaleb(2)), 10_000)


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """Divide ``amount`` in proportion to ``weights`` by largest remainder; the parts sum to it exactly (R30).

    Equal remainders go to the earlier part. Where all weights are zero the first part takes everything.
    """
    total = sum(weights)
    if not weights:
        raise ValueError("there is nobody to divide among")
    if total == 0:
        return [amount, *[0] * (len(weights) - 1)]
    sign, magnitude = (-1 if amount < 0 else 1), abs(amount)
    parts = [magnitude * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(magnitude * weights[i] % total), i))
    for index in by_remainder[: magnitude - sum(parts)]:
        parts[index] += 1
    return [sign * part for part in parts]
