"""A protocol's figures as rows, remarks and fields: a column only if a figure has something for it."""

from __future__ import annotations

from dataclasses import replace

from fedface_core.domain.results import CosineCounts
from fedface_lab.evaluation.protocol_views import percent_interval, remark_lines, result_fields, result_table
from fedface_learning.evaluation.figures import Figure, ProtocolResult

PLAIN = ProtocolResult("set", {"accuracy": Figure(0.5)}, {"pairs": 4, "missing images": 0}, notes=["a note"])
FULL = ProtocolResult(
    "set",
    {"accuracy": Figure(0.5, 0.01, (0.4, 0.61)), "TAR at FAR 1e-6": Figure(None)},
    {"pairs": 4000},
    "standard error over folds",
)


def cells(result: ProtocolResult) -> dict[str, list[str]]:
    return {str(column.header): [str(cell) for cell in column.cells] for column in result_table(result).columns}


def test_columns_are_those_that_the_protocol_has() -> None:
    assert cells(PLAIN) == {"set": ["accuracy"], "": ["50.00 %"]}
    assert cells(FULL) == {
        "set": ["accuracy", "TAR at FAR 1e-6"],
        "": ["50.00 %", "unresolved"],
        "±": ["1.00 %", ""],
        "95 % over people": ["40.00 – 61.00 %", ""],
    }


def test_remarks_explain_only_what_is_shown() -> None:
    assert remark_lines(PLAIN) == ["4 pairs", "a note"]
    assert remark_lines(FULL) == [
        "4,000 pairs",
        "± is the standard error over folds",
        "unresolved: too few impostor pairs or non-mated probes for that rate",
    ]


def test_json_has_null_for_what_is_unresolved() -> None:
    assert result_fields(FULL)["figures"]["TAR at FAR 1e-6"] == {"value": None, "spread": None, "interval": None}
    assert result_fields(PLAIN)["counts"] == {"pairs": 4, "missing images": 0}
    assert percent_interval(None) == "–"


def test_json_has_the_histograms_of_a_protocol_with_pairs() -> None:
    assert result_fields(PLAIN)["cosines"] is None
    counted = replace(PLAIN, cosines=CosineCounts(genuine=[0, 1], impostor=[2, 0]))
    assert result_fields(counted)["cosines"] == {"genuine": [0, 1], "impostor": [2, 0]}
