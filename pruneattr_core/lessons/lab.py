"""A laboratory of tiny networks whose right answer is known by hand, and what every method says of them.

Every network looks at a picture of 8 x 8 pixels with four bright squares. It reads one or two of them, "a"
and "b". The other two, "c" and "d", reach the output through many faint neurons, as in trained networks;
together they move it by 4 %: there to be named by mistake, and there for methods that remove neurons to
remove. The output is written down in one line, so that everybody can say which squares an explanation has
to name.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pruneattr_core.attribution import METHODS, explain
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.lessons.titles import method_title

SIDE = 8
#: Corner (row, column) of each square of 2 x 2 pixels.
SQUARES = {"a": (0, 0), "b": (0, 4), "c": (4, 0), "d": (4, 4)}
#: Neurons that read c and d, and how each enters the output.
FAINT, FAINTNESS = 20, 0.001
#: Cosine with the right answer from which a map counts as right.
RIGHT = 0.9


class Tiny(nn.Module):
    """Outputs (f, 0) for f = out . ReLU(weights . squares + biases) + the faint part.

    The first layer takes means of 2 x 2 pixels, so that the four squares are four of its 16 neurons.

    Args:
        weights: one row a hidden neuron, one column each for the squares a and b.
        biases: of the hidden neurons.
        out: how each hidden neuron enters f.
        constant: added to f.
    """

    def __init__(
        self,
        weights: tuple[tuple[float, float], ...],
        biases: tuple[float, ...],
        out: tuple[float, ...],
        constant: float = 0.0,
    ) -> None:
        super().__init__()
        rows = [*({"a": a, "b": b} for a, b in weights), *([{"c": 1.0, "d": 1.0}] * FAINT)]
        self.means = nn.Conv2d(1, 1, 2, 2, bias=False)
        self.hidden = nn.Conv2d(1, len(rows), SIDE // 2)
        self.out = nn.Linear(len(rows), 2)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()
            self.means.weight.fill_(1 / 4)
            for neuron, row in enumerate(rows):
                for name, weight in row.items():
                    place = (side // 2 for side in SQUARES[name])
                    self.hidden.weight[(neuron, 0, *place)] = weight
            self.hidden.bias[: len(biases)] = torch.tensor(biases)  # type: ignore[index]  # there is one
            self.out.weight[0] = torch.tensor([*out, *([FAINTNESS] * FAINT)])
            self.out.bias[0] = constant
        self.double().eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 8, 8) -> (B, 2)."""
        hidden = torch.relu(self.hidden(torch.relu(self.means(x))))
        logits: Tensor = self.out(hidden.flatten(1))
        return logits


@dataclass(frozen=True)
class Bench:
    """One network of the laboratory.

    Attributes:
        formula: its output, for people.
        build: makes the network.
        truth: square -> its right share; negative where it speaks against the answer.
    """

    formula: str
    build: Callable[[], Tiny]
    truth: dict[str, float]


BENCHES = {
    "neuron": Bench(
        "f = ReLU(a)",
        lambda: Tiny(((1.0, 0.0),), (0.0,), (1.0,)),
        {"a": 1.0},
    ),
    "or": Bench(
        "f = 1 - ReLU(1 - a - b)",
        lambda: Tiny(((-1.0, -1.0),), (1.0,), (-1.0,), 1.0),
        {"a": 1.0, "b": 1.0},
    ),
    "and": Bench(
        "f = ReLU(a + b - 1)",
        lambda: Tiny(((1.0, 1.0),), (-1.0,), (1.0,)),
        {"a": 1.0, "b": 1.0},
    ),
    "suppressor": Bench(
        "f = ReLU(2a) - ReLU(b)",
        lambda: Tiny(((2.0, 0.0), (0.0, 1.0)), (0.0, 0.0), (1.0, -1.0)),
        {"a": 1.0, "b": -0.5},
    ),
}


@dataclass(frozen=True)
class Score:
    """What one method says of one network.

    Attributes:
        method: key of `METHODS`.
        bench: key of `BENCHES`.
        cosine: of the map with the right answer, in [-1, 1]; 0 for a map of zeros, None where the method
            does not fit.
        note: why it does not fit, or that the map is zero.
    """

    method: str
    bench: str
    cosine: float | None
    note: str = ""

    @property
    def right(self) -> bool:
        """Whether the map names the right squares."""
        return self.cosine is not None and self.cosine >= RIGHT


def square(name: str) -> Tensor:
    """(8, 8): 1 inside the square, 0 elsewhere."""
    drawn = torch.zeros(SIDE, SIDE)
    row, column = SQUARES[name]
    drawn[row : row + 2, column : column + 2] = 1
    return drawn


def picture() -> Tensor:
    """The picture of the laboratory: (1, 1, 8, 8), four white squares on black."""
    return sum((square(name) for name in SQUARES), torch.zeros(SIDE, SIDE))[None, None].double()


def truth(bench: str, signed: bool) -> Tensor:
    """The right map, (8, 8); magnitudes alone for methods whose maps have no sign."""
    drawn = sum(
        (share * square(name) for name, share in BENCHES[bench].truth.items()), torch.zeros(SIDE, SIDE)
    ).double()
    return drawn if signed else drawn.abs()


def score(bench: str, method: str) -> Score:
    """Explain output f of one network with one method, its defaults, and compare with the right answer."""
    entry = METHODS[method]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other libraries, about pictures as small as this one
            values = explain(BENCHES[bench].build(), picture(), 0, method).values
    except PruneAttrError as error:
        return Score(method, bench, None, str(error))
    drawn, right = values[0].sum(0).double(), truth(bench, entry.signed)
    length = float(drawn.norm() * right.norm())
    if length == 0:
        return Score(method, bench, 0.0, "The map is zero everywhere.")
    return Score(method, bench, float((drawn * right).sum()) / length)


def table() -> list[Score]:
    """Every method on every network, method by method."""
    return [score(bench, method) for method in METHODS for bench in BENCHES]


def rows(scores: Sequence[Score], word: Callable[[str], str]) -> list[dict[str, str]]:
    """The table for readers, best first: one row a method, one column a network; methods that fit none go.

    Args:
        scores: of every method on every network.
        word: a text by its key, in the reader's language.
    """
    by: dict[str, list[Score]] = {}
    for one in scores:
        by.setdefault(one.method, []).append(one)
    fitting = {method: row for method, row in by.items() if any(one.cosine is not None for one in row)}
    order = sorted(fitting, key=lambda method: -sum(one.right for one in fitting[method]))
    return [
        {word("table_method"): method_title(method, word)}
        | {word(f"lab_{one.bench}"): _said(one, word) for one in fitting[method]}
        | {word("table_right"): f"{sum(one.right for one in fitting[method])} / {len(BENCHES)}"}
        for method in order
    ]


def _said(one: Score, word: Callable[[str], str]) -> str:
    if one.cosine is None:
        return word("lab_misfit")
    if one.note:
        return word("lab_zero")
    return f"{'✓' if one.right else '✗'} {one.cosine:.2f}"
