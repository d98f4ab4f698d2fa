"""Whose texts an index holds, under which licence, and what was changed: its ATTRIBUTION.md."""

from collections.abc import Mapping
from typing import Any

from training.data.download import COMMIT

_TEXT = """\
# Whose texts these are
Questions, answers and links of **MedQuAD** (Medical Question Answering Dataset), by Asma Ben Abacha
and Dina Demner-Fushman, "A question-entailment approach to question answering", BMC Bioinformatics
20, 511 (2019): https://github.com/abachaa/MedQuAD, commit {commit}, under the Creative Commons
Attribution 4.0 International licence (https://creativecommons.org/licenses/by/4.0/).

Changed: whitespace runs became one space; a heading that repeats the question and the labels of
summaries and videos were left out; tables of signs became sentences; a heading, a table of contents
or a list of links alone is no answer; equal answers are kept once; the texts were compressed and
indexed. {answered:,} of the {questions:,} questions have their answer here. The others have none:
most are of collections 10-12 (A.D.A.M. Medical Encyclopedia, MedlinePlus drugs and herbs), whose
licence allows a link alone, so a link is all there is.

The answers were published by institutes of the National Institutes of Health and the CDC; each
names its source and its page. They were collected in 2019 and are no medical advice.
"""


def attribution(figures: Mapping[str, Any]) -> str:
    """Return the file's text for an index of so many `questions` and `answered`."""
    return _TEXT.format(commit=COMMIT, **{key: figures[key] for key in ("answered", "questions")})
