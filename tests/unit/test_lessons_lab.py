"""The laboratory: its networks compute their formulas, and methods that must be right there are."""

from __future__ import annotations

import itertools

import pytest

from pruneattr_core.lessons import hans, lab

FORMULAS = {
    "neuron": lambda a, b: max(a, 0),
    "or": lambda a, b: 1 - max(1 - a - b, 0),
    "and": lambda a, b: max(a + b - 1, 0),
    "suppressor": lambda a, b: max(2 * a, 0) - max(b, 0),
}


@pytest.mark.parametrize("name", lab.BENCHES)
def test_networks_compute_their_formulas(name: str) -> None:
    network = lab.BENCHES[name].build()
    for a, b, c, d in itertools.product((0.0, 0.5, 1.0), repeat=4):
        shares = zip("abcd", (a, b, c, d), strict=True)
        picture = sum(value * lab.square(square) for square, value in shares)[None, None].double()
        faint = lab.FAINT * lab.FAINTNESS * (c + d)
        assert float(network(picture)[0, 0]) == pytest.approx(FORMULAS[name](a, b) + faint, abs=1e-7)


def test_the_right_answer_is_shapleys_share() -> None:
    """Of the two squares that are read, over both orders of adding them to a black picture."""
    for name, bench in lab.BENCHES.items():
        f = FORMULAS[name]
        a = (f(1, 0) - f(0, 0) + f(1, 1) - f(0, 1)) / 2
        b = (f(0, 1) - f(0, 0) + f(1, 1) - f(1, 0)) / 2
        assert bench.truth.get("b", 0.0) * a == pytest.approx(bench.truth["a"] * b)


def test_who_is_right_where_theory_says_so() -> None:
    def right(bench: str, method: str) -> bool:
        return lab.score(bench, method).right

    for bench in lab.BENCHES:
        assert right(bench, "integrated_gradients")
        assert right(bench, "deeplift")
        assert not right(bench, "edges")
        assert not right(bench, "random")
        assert right(bench, "saliency") == right(bench, "prunegrad") == (bench != "or")
    assert not right("suppressor", "guided_backprop")


def test_a_row_a_method_and_what_does_not_fit_is_said() -> None:
    scores = [lab.Score("gradcam", bench, None, "no layer") for bench in lab.BENCHES]
    said = zip(lab.BENCHES, (1, 0.9, 0.89, None), strict=True)
    scores += [lab.Score("saliency", bench, cosine) for bench, cosine in said]
    (row,) = lab.rows(scores, lambda key: key)
    assert list(row.values())[1:] == ["✓ 1.00", "✓ 0.90", "✗ 0.89", "lab_misfit", "2 / 4"]


def test_stored_figures_of_clever_hans_are_those_of_the_networks() -> None:
    found = hans.stored()
    series, few = found["series"], 40
    for name, fooled in (("scenes-tied", True), ("scenes-free", False)):
        stored = found["networks"][name]
        for marking in hans.MARKINGS:
            fresh = hans.accuracy(name, series, few, marking)["hearts"]
            assert fresh == pytest.approx(stored["accuracy"][marking]["hearts"], abs=0.05)
        on_mark = stored["mass on the mark"]["prunegrad"]
        assert (on_mark["mean"] > 0.3) is fooled
