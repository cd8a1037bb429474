"""Text that people write: what is refused, and that nothing of it steers a terminal when it is shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.free_text import MOST_CHARACTERS, check_texts, cut, one_line, visible
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.data import DataPlan

STEERING = ("\x1b", "\x00", "\x07", "\x7f", "\x9b", "\u202e", "\u2066", "\u200b", "\ufeff", "\u2028", "\u2029", "\r")
HARMLESS = (
    "study [/old]",
    "[lr=1e-4] :smile:",
    "Ж 人脸 وجه",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "👩\u200d🔬",
    "a\u00a0b",
    "",
)


@pytest.mark.parametrize("character", STEERING)
def test_what_steers_a_terminal_is_spelled_out(character: str) -> None:
    shown = one_line(f"a{character}b")
    assert character not in shown
    assert shown == visible(f"a{character}b")
    assert shown == f"a{character.encode('unicode_escape').decode()}b"


@pytest.mark.parametrize("text", HARMLESS)
def test_every_script_is_shown_as_it_is(text: str) -> None:
    assert visible(text) == one_line(text) == text


def test_lines_stay_lines_unless_one_line_is_wanted() -> None:
    assert visible("a\n\tb") == "a\n\tb"
    assert one_line("a\n\tb") == "a\\n\\tb"


@given(st.text())
def test_no_text_steers_a_terminal_once_it_is_shown(text: str) -> None:
    shown = one_line(text)
    assert {unicodedata.category(character) for character in shown} & {"Cc", "Cs", "Zl", "Zp"} == set()
    assert not {*shown} & {*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"}
    assert one_line(shown) == shown
    shown.encode()


@pytest.mark.parametrize("character", [*STEERING, "\n", "\t"])
def test_a_plan_with_such_a_name_is_read_but_not_taken_anew(character: str) -> None:
    stored = Plan.model_validate({"name": f"abc{character}"})
    assert Plan.model_validate_json(stored.model_dump_json()) == stored
    with pytest.raises(InvalidInputError, match=rf"^name is .*character 4 \(U\+{ord(character):04X}\) cannot be shown"):
        check_texts(stored)


@pytest.mark.parametrize("name", [name for name in HARMLESS if name])
def test_names_in_every_script_are_taken(name: str) -> None:
    check_texts(Plan.model_validate({"name": name}))


def test_every_text_of_a_plan_is_checked_and_bounded() -> None:
    data = {"dataset": "folder", "folder": "/faces\x1b[2J"}
    with pytest.raises(InvalidInputError, match=r"^data\.folder is .*character 7 \(U\+001B\)"):
        check_texts(Plan.model_validate({"data": data}))
    with pytest.raises(InvalidInputError, match=rf"^folder has {MOST_CHARACTERS + 1} characters; {MOST_CHARACTERS} are"):
        check_texts(DataPlan.model_validate({"dataset": "folder", "folder": "a" * (MOST_CHARACTERS + 1)}))


@pytest.mark.parametrize(("text", "shown"), [("", ""), ("abcd", "abcd"), ("abcde", "abc…")])
def test_a_text_that_is_too_long_is_cut_to_the_longest(text: str, shown: str) -> None:
    assert cut(text, 4) == shown
