"""Views of the explorer that are computed before anybody comes to them."""

from __future__ import annotations

from pruneattr_core.models import model_card
from pruneattr_core.paths.calibrated import calibrated_sparsity
from pruneattr_core.results.keys import Subject
from pruneattr_core.results.sweeps import Question
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.pictures import Picture
from pruneattr_core.ui.state import viewer


def question_of(model: str, picture: Picture, target: int | None, mode: str, contribution: str) -> Question:
    """What the explorer computes of single neurons; waits for the network's answer.

    Args:
        model: identifier of its card.
        picture: the input.
        target: the class; None for the predicted one.
        mode: "zero" or "freeze".
        contribution: how neurons are ranked.
    """
    answer = engine().answer(model, picture, lambda *_: None)
    code = model_card(model).state
    subject = Subject(model, answer.weights, picture.sha256, target, engine().device.type, code=code)
    return Question(subject, mode, contribution, calibrated_sparsity(answer.weights))


def compute_ahead(model: str, picture: Picture, target: int | None, mode: str, contribution: str) -> None:
    """Have a view computed beside the page shown, to which this session will come next; see `question_of`."""
    who = viewer()

    def work(_: Job) -> None:
        question = question_of(model, picture, target, mode, contribution)
        engine().first_look(question, picture, lambda *_: None)
        engine().start_sweep(question, picture, who, "long")  # where no page waits for its turn behind it

    engine().jobs.start(("ahead", model, picture.sha256, target, mode, contribution), work, who)
