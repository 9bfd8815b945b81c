"""A number below 0 that people read has a minus sign, and not the hyphen that Python writes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from pruneattr_core.share.words import percent, signed
from test_layering import CORE, ROOT

MINUS = "\N{MINUS SIGN}"
SHOWN = ("ui", "share", "results")
#: What is below 0 for some pictures, by the names that it has in the code.
_MAY_BE_NEGATIVE = re.compile(r"logit|response|\bcpr\b|\bcmd\b|area\(kind\)|frozen\[|affine\[")
#: Streamlit's cards read the hyphen: they draw the arrow by it, and no minus sign.
ALLOWED = {("ui/explore/numbers.py", "by")}


def _written() -> Iterator[tuple[str, str, str]]:
    """(file, expression, form) of every number that an f-string writes on a page or in a file."""
    for folder in SHOWN:
        for path in sorted((ROOT / CORE / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.FormattedValue) and isinstance(node.format_spec, ast.JoinedStr):
                    form = "".join(
                        one.value for one in node.format_spec.values if isinstance(one, ast.Constant)
                    )
                    yield str(path.relative_to(ROOT / CORE)), ast.unparse(node.value), form


def test_no_number_that_may_be_negative_is_written_by_python_alone() -> None:
    wrong = [
        (file, value, form)
        for file, value, form in _written()
        if (form.startswith("+") or (_MAY_BE_NEGATIVE.search(value) and form[-1:] in tuple("fge")))
        and (file, value) not in ALLOWED
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("number", "form", "text"),
    [
        *((-0.5, ".2f", MINUS + "0.50"), (0.5, ".2f", "0.50"), (0.5, "+.2f", "+0.50"), (0, "+.1f", "+0.0")),
        *((-0.001, ".2f", "0.00"), (-1e-5, ".1e", MINUS + "1.0e-05"), (1e-5, ".1e", "1.0e-05")),
        *((float("nan"), ".2f", "nan"), (float("-inf"), ".2f", MINUS + "inf")),
    ],
)
def test_signed(number: float, form: str, text: str) -> None:
    assert signed(number, form) == text


def test_a_share_below_0_has_a_minus_too() -> None:
    """Paths said -13 % with a hyphen."""
    assert percent(-0.13) == f"{MINUS}13\u202f%"
