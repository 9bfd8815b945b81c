"""What a method can be told: names, kinds and ranges of its options."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pruneattr_core.errors import ArgumentTypeError, InputError
from pruneattr_core.given import is_truth
from pruneattr_core.one_of import is_one_of
from pruneattr_core.paths.dial import DEFAULT

Kind = Literal["float", "int", "bool", "choice", "text"]


@dataclass(frozen=True)
class Option:
    """One option of a method.

    Attributes:
        kind: type of its values.
        default: what it is when not given; None means that the method chooses.
        low: smallest value of numbers, included.
        high: largest value of numbers, included.
        choices: the values of kind "choice"; words that a number may be instead.
        note: what it does, one sentence.
    """

    kind: Kind
    default: Any
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    note: str = ""

    def check(self, name: str, value: Any) -> Any:
        """`value` as this option takes it.

        Raises:
            ArgumentTypeError: another type.
            InputError: out of range, or not among the choices.
        """
        if value is None and self.default is None:
            return None
        if self.kind in ("float", "int"):
            if isinstance(value, str) and value in self.choices:
                return value
            return self._number(name, value)
        if self.kind == "bool" and not isinstance(value, bool):
            raise ArgumentTypeError(f"Expected {name} as True or False, got {value!r}.")
        if self.kind == "choice" and not is_one_of(value, self.choices):
            raise InputError(f"Expected {name} in {', '.join(self.choices)}; got {value!r}.")
        if self.kind == "text" and not isinstance(value, str):
            raise ArgumentTypeError(f"Expected {name} as text, got {value!r}.")
        return value

    def _number(self, name: str, value: Any) -> float | int:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ArgumentTypeError(f"Expected {name} as a number, got {value!r}.") from None
        except OverflowError:
            raise InputError(f"Expected {name} as a finite number, got one of hundreds of digits.") from None
        if not math.isfinite(number):
            raise InputError(f"Expected {name} as a finite number, got {value!r}.")
        if is_truth(value) or (self.kind == "int" and number != int(number)):
            raise ArgumentTypeError(
                f"Expected {name} as {'a whole' if self.kind == 'int' else 'a'} number, got {value!r}."
            )
        below = self.low is not None and not number >= self.low
        above = self.high is not None and not number <= self.high
        if below or above:
            upper = "" if self.high is None else f" and <= {self.high}"
            raise InputError(f"Expected {name} >= {self.low}{upper}, got {value!r}.")
        return int(number) if self.kind == "int" else number


def checked(method: str, options: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a method, defaults filled in.

    Raises:
        InputError: an option that the method does not have, or a value out of range.
        ArgumentTypeError: a value of another type.
    """
    unknown = sorted(set(given) - set(options))
    if unknown:
        known = ", ".join(options) or "none"
        raise InputError(f"{method} has no option {', '.join(unknown)}; its options are: {known}.")
    found = {name: o.check(name, given.get(name, o.default)) for name, o in options.items()}
    if "change_of" in found and found["sparsity"] is None and found["output_change"] is None:
        found |= {"sparsity": DEFAULT, "of": "contributing"}  # said, so that a stored run says it
    elif "change_of" in found and found["of"] is None:
        found["of"] = "all"
    return found


#: How many neurons go, on one of three scales (`paths.dial.Dial`).
DIAL = {
    "sparsity": Option(
        "float",
        None,
        0.0,
        1.0,
        choices=("calibrated",),
        note="Fraction of neurons removed; by default 0.8 of the contributing ones. "
        '"calibrated" takes the network\'s 15 % point.',
    ),
    "of": Option(
        "choice",
        None,
        choices=("all", "contributing"),
        note="What the sparsity is a share of: all neurons, or those that contribute.",
    ),
    "output_change": Option(
        "float", None, 0.0, note="Replaces sparsity: prune until the output changes by more than this."
    ),
    "change_of": Option(
        "choice",
        "response",
        choices=("response", "probability"),
        note="What changes: the response (the papers) or its probability (released code).",
    ),
}
CLASS_SCORES = Option(
    "bool", False, note="Count class scores as neurons, as published code does (SqueezeNet's last ReLU)."
)
MODE = Option(
    "choice",
    "zero",
    choices=("zero", "freeze"),
    note="Removed neurons become 0 (zero) or constants (freeze).",
)
TIES = Option(
    "choice", "drop", choices=("drop", "exact"), note="What happens to equal scores at the threshold."
)
STEPS = Option("int", 50, 1, 1000, note="Points on the path from the baseline to the input.")
BASELINE = Option(
    "float",
    0.0,
    -1e6,
    1e6,
    note="Value of every reference input; 0 after normalisation is the mean colour, not black.",
)
SEED = Option("int", 0, 0, 2**31 - 1, note="With the picture's values it fixes every random number.")
LAYER = Option("text", None, note="Layer to look at; by default chosen from the network.")
ASCENT = {
    "steps": Option("int", 20, 1, 1000, note="Ascent steps."),
    "step_size": Option("float", 0.01, 1e-6, 10.0, note="l2 length of a step, in normalised input units."),
    "l2_bound": Option("float", 0.1, 1e-6, 100.0, note="Radius of the ball the perturbation stays in."),
}
