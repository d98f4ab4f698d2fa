"""The public contract of what stands around an answer: notices before it."""

from pydantic import BaseModel, Field

from app.red_flags import Kind


class NoticeBody(BaseModel):
    """What a person in need is told before any answer."""

    kind: Kind
    text: str
    contact: str = Field(description="Whom to call, in the region that the service is set to.")


class Noticed(BaseModel):
    """A body that begins with what is more urgent than an answer."""

    notices: list[NoticeBody] = Field(
        [],
        description="Present when the question speaks of an emergency, self-harm, overdose, "
        "poisoning or abuse: show it above everything.",
        exclude_if=lambda notices: not notices,
    )
