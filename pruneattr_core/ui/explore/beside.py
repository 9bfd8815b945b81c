"""Other methods for the file of the explorer's view, computed when the file is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from pruneattr_core.errors import PruneAttrError
from pruneattr_core.results.keys import Subject
from pruneattr_core.results.sweeps import Question
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.shell import Selection


@dataclass(frozen=True)
class _SectionKey:
    """Names that markup: network, picture and class, and entries of the grid."""

    subject: Subject
    methods: tuple[str, ...]


@dataclass(frozen=True)
class _Section:
    """Markup of a file, kept as results are."""

    text: str

    @property
    def nbytes(self) -> int:
        """Bytes of it, about."""
        return len(self.text)


def beside_file(chosen: Selection, question: Question, start: tuple[str, float]) -> str:
    """Markup of the quick methods for the same picture and class; "" where they cannot be had.

    Args:
        chosen: network and picture.
        question: what the view shows.
        start: scale and place of its slider.
    """
    from pruneattr_core.beside import QUICK, markup, methods_beside, own_entry  # with it comes all of Compare

    ranked = question.unit == "neuron" and question.contribution == "taylor"
    methods = [own_entry(start, question.mode) if ranked else "", *QUICK]

    def work(job: Job) -> _Section:
        network = engine().network(question.subject, job)
        inputs = engine().inputs(question.subject.model, chosen.picture)
        asked = question.subject.response
        found = methods_beside(network, inputs, methods, asked, chosen.card, chosen.picture.title)
        return _Section("" if found is None else markup(found))

    try:
        found: _Section = engine().jobs.run(
            _SectionKey(question.subject, tuple(methods)), work, lambda *_: None, "page"
        )
    except PruneAttrError:
        return ""  # the view itself is whole without them
    return found.text
