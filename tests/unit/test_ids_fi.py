"""Identifiers: the worked examples of domain.md, and that one wrong digit never passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis import ids_fi
from services.chassis.ids_fi import InvalidId

SEVEN_DIGITS = st.text("0123456789", min_size=7, max_size=7)


@pytest.mark.parametrize("text", ["0112038-9", "2345678-0"])
def test_valid_business_ids(text: str) -> None:
    ids_fi.check_business_id(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0112038-8", "business_id_check_digit"),
        ("01120389", "business_id_format"),
        ("112038-9", "business_id_format"),
        ("0112038-9\n", "business_id_format"),
        ("٠112038-9", "business_id_format"),
        ("", "business_id_format"),
    ],
)
def test_invalid_business_ids(text: str, code: str) -> None:
    with pytest.raises(InvalidId) as caught:
        ids_fi.check_business_id(text)
    assert caught.value.code == code


@given(SEVEN_DIGITS)
def test_at_most_one_check_digit_fits(digits: str) -> None:
    fits = []
    for check in "0123456789":
        try:
            ids_fi.check_business_id(f"{digits}-{check}")
        except InvalidId:
            continue
        fits.append(check)
    expected = ids_fi.business_id_check_digit(digits)
    assert fits == ([] if expected is None else [expected])


def test_ovt_address() -> None:
    assert ids_fi.ovt_address("0112038-9") == "003701120389"
    ids_fi.check_ovt_address("003701120389")
    ids_fi.check_ovt_address("003701120389A1")
    with pytest.raises(InvalidId):
        ids_fi.check_ovt_address("003701120388")
    with pytest.raises(InvalidId):
        ids_fi.check_ovt_address("01120389")


def test_reference_examples() -> None:
    assert ids_fi.make_reference("1234") == "12344"
    assert ids_fi.make_reference("123456") == "1234561"
    ids_fi.check_reference("12344")
    with pytest.raises(InvalidId) as caught:
        ids_fi.check_reference("12345")
    assert caught.value.code == "reference_check_digit"


def test_rf_examples() -> None:
    assert ids_fi.make_rf_reference("2348236") == "RF332348236"
    assert ids_fi.make_rf_reference("539007547034") == "RF18539007547034"
    ids_fi.check_rf_reference("RF332348236")
    with pytest.raises(InvalidId) as caught:
        ids_fi.check_rf_reference("RF342348236")
    assert caught.value.code == "rf_check_digits"


@given(st.from_regex(r"[1-9][0-9]{2,18}", fullmatch=True), st.integers(0, 18), st.integers(1, 9))
def test_a_changed_digit_of_a_reference_is_found(base: str, place: int, step: int) -> None:
    good = ids_fi.make_reference(base)
    ids_fi.check_reference(good)
    at = place % len(good)
    bad = good[:at] + str((int(good[at]) + step) % 10) + good[at + 1 :]
    with pytest.raises(InvalidId):
        ids_fi.check_reference(bad)


@given(st.from_regex(r"[0-9A-Z]{1,21}", fullmatch=True))
def test_a_made_rf_reference_is_valid(base: str) -> None:
    ids_fi.check_rf_reference(ids_fi.make_rf_reference(base))


@pytest.mark.parametrize("base", ["", "12", "000", "1" * 20, "12a4"])
def test_a_reference_is_not_made_from_anything_else(base: str) -> None:
    with pytest.raises(InvalidId):
        ids_fi.make_reference(base)
