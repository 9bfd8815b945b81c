"""Who stands side by side: a teacher and its students, from the zoo or from files of the reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from pruneattr_core.compression import family
from pruneattr_core.errors import ModelError, WeightsError
from pruneattr_core.models import ModelCard, model_card
from pruneattr_core.models.checkpoint import file_sha256
from pruneattr_core.ui.pictures import STAYS


@dataclass(frozen=True)
class Contender:
    """One network of the line-up.

    Attributes:
        id: in links and verdicts.
        title: for people.
        model: what `load_model` takes.
        weights: file to load instead of the card's, or "".
        sha256: of the weights file, and of the code that takes them where that is one's own: what cached
            results are named by.
        badge: what kind of network it is, a few words.
        facts: size and cost, a few words, or "".
        kept: channels kept per layer, of a structured student.
    """

    id: str
    title: str
    model: str
    weights: str
    sha256: str
    badge: str = ""
    facts: str = ""
    kept: tuple[tuple[str, tuple[int, ...]], ...] = ()

    @property
    def card(self) -> ModelCard:
        """How pixels enter it."""
        return model_card(self.model)


@dataclass(frozen=True)
class Lineup:
    """Teacher and students.

    Attributes:
        teacher: the first column.
        students: the others, at least one.
        judged: position of the student under review.
        multi_label: whether a picture may show several classes.
    """

    teacher: Contender
    students: tuple[Contender, ...]
    judged: int
    multi_label: bool

    @property
    def columns(self) -> tuple[Contender, ...]:
        """From left to right."""
        return (self.teacher, *self.students)

    @property
    def student(self) -> Contender:
        """The one under review."""
        return self.students[self.judged]


#: Kinds of students, by the word in their card.
BADGES = {
    "teacher": "Teacher",
    "distil": "Distilled",
    "unstructured": "Weights pruned",
    "structured": "Channels pruned",
}


@st.cache_resource(ttl=STAYS, show_spinner=False)
def zoo() -> dict[str, tuple[family.Member, tuple[family.Member, ...]]]:
    """Teacher id -> (teacher, its students), those with at least one student; asked often in a run."""
    known = family.members()
    found = {
        one.id: (one, tuple(other for other in known if other.teacher == one.id))
        for one in known
        if one.kind == "teacher"
    }
    return {name: pair for name, pair in found.items() if pair[1]}


def first_students(students: tuple[family.Member, ...]) -> tuple[str, ...]:
    """Four that show the most: the smallest distilled one, plain and matched, and both prunings."""
    plain = [one for one in students if one.matching == "none"]
    smallest = sorted((one for one in plain if one.kind == "distil"), key=lambda one: one.parameters)[:1]
    chosen = [*smallest]
    for matched in ("sswa", "swa", "ewa"):
        if smallest and len(chosen) == 1:
            chosen += [
                one
                for one in students
                if one.kind == "distil"
                and one.matching == matched
                and one.parameters == smallest[0].parameters
            ][:1]
    for kind in ("unstructured", "structured"):
        chosen += [one for one in plain if one.kind == kind][:1]
    chosen += [one for one in students if one not in chosen][: max(0, 2 - len(chosen))]
    return tuple(one.id for one in chosen)


def of_zoo(member: family.Member) -> Contender:
    """A bundled network."""
    card = model_card(member.id)
    kept = tuple((name, tuple(channels)) for name, channels in dict(member.kept).items())
    size = (
        f"{member.parameters / 1e6:.2f} M parameters"
        if member.parameters >= 1e5
        else f"{member.parameters:,} parameters"
    )
    facts = f"{size} · {member.flops / 1e6:,.0f} MFLOP"
    return Contender(
        member.id,
        member.title,
        member.id,
        "",
        card.weights_sha256,
        BADGES.get(member.kind, member.kind),
        facts,
        kept,
    )


def of_file(role: str, model: str, file: str) -> Contender:
    """A network from a checkpoint of the reader.

    Raises:
        ModelError: no such architecture.
        WeightsError: no such file.
    """
    card, path = model_card(model), Path(file)
    if not path.is_file():
        raise WeightsError(f"There is no checkpoint {file!r}: check the path of the {role}.")
    return Contender(
        f"{role}:{path.stem[:40]}",
        f"{path.name[:40]}",
        model,
        file,
        file_sha256(path) + card.state,
        role.capitalize(),
        card.title,
    )


def own_pair(texts: Mapping[str, Any]) -> Lineup:
    """The line-up of two checkpoints.

    Args:
        texts: fields own_teacher, own_teacher_file, own_student, own_student_file, own_many.

    Raises:
        ModelError: an unknown architecture, or two that cannot be compared.
        WeightsError: a file is missing.
    """
    teacher = of_file("teacher", texts["own_teacher"], texts["own_teacher_file"])
    student = of_file("student", texts["own_student"], texts["own_student_file"])
    one, other = teacher.card, student.card
    for what, left, right in (
        ("input size", one.size, other.size),
        ("classes", len(one.classes), len(other.classes)),
        ("resizing", one.resize, other.resize),
    ):
        if left != right:
            raise ModelError(
                f"The two networks cannot be compared pixel by pixel: {what} {left} of {one.title} and "
                f"{right} of {other.title}. Choose architectures that take the same pictures."
            )
    return Lineup(teacher, (student,), 0, texts["own_many"] == "yes")
