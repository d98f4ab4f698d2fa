"""The public contract of what stands around an answer: notices, references, marks."""

from typing import Any

from pydantic import BaseModel, Field

from app.red_flags.notices import Kind
from app.references.claims import Why
from app.references.marks import Mark


class NoticeBody(BaseModel):
    """What a person in need is told before any answer."""

    kind: Kind
    text: str
    contact: str = Field(description="Whom to call, in the region that the service is set to.")


def _may_be_absent(schema: dict[str, Any]) -> None:
    """Name no default: generators would expect the field in every body."""
    del schema["default"]


class Noticed(BaseModel):
    """A body that begins with what is more urgent than an answer."""

    notices: list[NoticeBody] = Field(
        [],
        description="Present when the question speaks of an emergency, self-harm, overdose, "
        "poisoning or abuse: show it above everything.",
        exclude_if=lambda notices: not notices,
        json_schema_extra=_may_be_absent,
    )


class ReferenceBody(BaseModel):
    """A published question like the one asked, and where its answer stands."""

    id: str = Field(description="Collection, file and number of the question in MedQuAD.")
    question: str
    excerpt: str | None = Field(
        description="How the published answer begins; null where its licence allows a link only."
    )
    source: str
    url: str
    focus: str = Field(description="The topic.")
    type: str = Field(description="What is asked of the topic: treatment, symptoms, …")
    licence: str = Field(description="Of the excerpt: `CC BY 4.0`, or `link only`.")
    score: float = Field(
        description="How likely the reference is worth reading, 0-1, as fitted to people's "
        "judgments: comparable between questions, never rising within a list."
    )


class Referenced(BaseModel):
    """A body that may list published answers."""

    references: list[ReferenceBody] | None = Field(
        None,
        description="Published questions and answers like this one, the nearest first; none when "
        "none is likely worth reading. Absent "
        "without an index (`/info` says how to make one), or when the request asks for none.",
        exclude_if=lambda references: references is None,
    )


class ReferencesBody(BaseModel):
    """What was found, as the data of a `references` event."""

    references: list[ReferenceBody]


class SearchResponse(Noticed):
    """What a search for published answers found."""

    question: str
    references: list[ReferenceBody]
    nothing_found: str | None = Field(
        None,
        description="Present, in words to show, when no published answer is likely to fit.",
        exclude_if=lambda words: words is None,
    )


class SentenceMark(BaseModel):
    """What can be said of one sentence of an answer by the published texts found for the question.

    It is agreement of words, not truth.
    """

    start: int = Field(
        description="Where it begins in the answer, in Unicode code points (in JavaScript, an "
        "index of `Array.from(answer)`)."
    )
    end: int = Field(description="Where it ends, excluded.")
    mark: Mark = Field(
        description="`stands_in`: it stands nearly word for word in a published text on the topic. "
        "`contradicts`: one says otherwise. `not_found`: neither. `unchecked`: there was no text "
        "to hold it against, or it says too little."
    )
    why: Why | None = Field(description="In what it contradicts.")
    text_id: str | None = Field(
        description="The reference or passage that it stands in or contradicts, by its `id`."
    )
    published: str | None = Field(description="The sentence there.")


class Checked(BaseModel):
    """An answer whose sentences were held against published ones."""

    sentences: list[SentenceMark] = Field(
        description="All of them, in order: each has exactly one mark."
    )


class Span(BaseModel):
    """A span of an answer that stands word for word in training answers."""

    start: int = Field(description="Where it begins in the answer, in Unicode code points.")
    end: int = Field(description="Where it ends, excluded.")
    answers: int = Field(description="In how many training answers it stands.")
    topics: int = Field(description="On how many topics those are.")


class Traced(BaseModel):
    """An answer traced to what its model learned from."""

    spans: list[Span] | None = Field(
        description="The longest spans, of at least 8 tokens, of each sentence that stand word for "
        "word in the answers that the model learned from. Null where they were not asked for, "
        "where those answers are not known (no `training_text.npz` beside the model), or where "
        "looking took too long."
    )


class PassageBody(BaseModel):
    """A published text that a model was given to read."""

    id: str = Field(description="Of the question in MedQuAD that it answers.")
    title: str = Field(description="The topic.")
    question: str
    text: str = Field(description="As the model got it: the sentences that fit the question best.")
    source: str
    url: str
    licence: str
    probability: float = Field(description="That it is good for what was asked, 0-1.")


class Grounded(BaseModel):
    """Whether an answer was made from published text, and from which."""

    grounded: bool = Field(
        False, description="Whether the model was given passages to read, or told of none found."
    )
    passages: list[PassageBody] = Field(
        [],
        description="Present when there were: all of them, the likeliest first.",
        exclude_if=lambda passages: not passages,
        json_schema_extra=_may_be_absent,
    )


class ReferencesInfo(BaseModel):
    """The index of references, or how to make one."""

    questions: int = Field(description="Questions in the index; 0: there is none.")
    answered: int = Field(description="Those of them whose answers are in it as text.")
    hint: str | None = Field(
        None, description="How to make one.", exclude_if=lambda hint: hint is None
    )
