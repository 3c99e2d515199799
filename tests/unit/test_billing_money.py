"""Money without floats: rounding, VAT, splitting (R29, R30, B12)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.domain.money import amount_text, cents, half_up, price_text, split, ten_thousandths, vat_cents

CENTS = st.integers(-10_000_000_00, 10_000_000_00)


@pytest.mark.parametrize(
    ("base", "rate", "vat"), [(100, "25.5", 26), (200, "25.5", 51), (100, "24", 24), (2, "25.5", 1)]
)
def test_vat_is_rounded_half_up(base: int, rate: str, vat: int) -> None:
    assert vat_cents(base, rate) == vat


@pytest.mark.parametrize(
    ("amount", "weights", "parts"),
    [
        (10000, [1, 1, 1], [3334, 3333, 3333]),
        (-10000, [1, 1, 1], [-3334, -3333, -3333]),
        (1, [0, 5, 5], [0, 1, 0]),
        (500, [0, 0], [500, 0]),
        (0, [3, 4], [0, 0]),
    ],
)
def test_largest_remainder(amount: int, weights: list[int], parts: list[int]) -> None:
    assert split(amount, weights) == parts


@given(CENTS, st.lists(st.integers(0, 10_000), min_size=1, max_size=40))
def test_parts_sum_to_the_whole_and_no_part_is_a_cent_off_its_share(amount: int, weights: list[int]) -> None:
    parts = split(amount, weights)
    assert sum(parts) == amount
    if total := sum(weights):
        assert all(abs(part * total - amount * weight) < total for part, weight in zip(parts, weights, strict=True))


def test_nobody_cannot_share() -> None:
    with pytest.raises(ValueError, match="nobody"):
        split(100, [])


@given(CENTS, st.sampled_from(["25.5", "24", "14", "10", "0"]))
def test_vat_of_a_credit_mirrors_that_of_its_invoice(base: int, rate: str) -> None:
    assert vat_cents(base, rate) + vat_cents(-base, rate) == 0


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_half_up_is_decimals_half_up(numerator: int, denominator: int) -> None:
    exact = (Decimal(numerator) / Decimal(denominator)).quantize(Decimal(1), ROUND_HALF_UP)
    assert half_up(numerator, denominator) == int(exact)


@given(CENTS)
def test_amounts_survive_the_wire(amount: int) -> None:
    assert cents(amount_text(amount)) == amount


@given(st.integers(0, 10**10))
def test_prices_survive_the_wire(price: int) -> None:
    assert ten_thousandths(price_text(price)) == price


@pytest.mark.parametrize(
    ("wire", "shown"), [("12.5000", "12.50"), ("0.125", "0.125"), ("7.3333", "7.3333"), ("3.00", "3.00")]
)
def test_a_price_has_two_decimals_and_more_only_where_they_say_something(wire: str, shown: str) -> None:
    assert price_text(ten_thousandths(wire)) == shown


def test_a_fifth_decimal_is_refused() -> None:
    with pytest.raises(ValueError, match="four decimals"):
        ten_thousandths("0.12345")
