"""A conversation as OpenAI's clients send it, and the question in it: the last user message.

Earlier turns are taken as they come, with tools' calls, images and refusals, and not used.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, WithJsonSchema

from app.api.schemas import encodable

_CONTENT = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "object", "additionalProperties": True}},
        {"type": "null"},
    ]
}


class Message(BaseModel):
    """One message of a conversation.

    Other fields are not used: clients send earlier answers back with every field they came with.
    """

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: Annotated[Any, WithJsonSchema(_CONTENT)] = Field(
        None, description="Text, or parts; of the question's, only those of type `text` are taken."
    )


def question_of(messages: Sequence[Message]) -> str:
    """Return the last user message, its parts joined by line ends.

    Raises:
        ValueError: there is none, it is blank, or it holds what is not text.

    """
    asked = next((one.content for one in reversed(messages) if one.role == "user"), None)
    parts = asked if isinstance(asked, list) else [asked]
    question = "\n".join(_text(part) for part in parts if part is not None)
    if not question.strip():
        raise ValueError("must hold a user message that is not blank, the question")
    return encodable(question)


def _text(part: Any) -> str:
    """Return what a part of the question says; a string is a part by itself."""
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, dict) else type(part).__name__
    if kind != "text":
        raise ValueError(f"this service does not take `{str(kind)[:40]}` parts in the question")
    text = part.get("text")
    if isinstance(text, str):
        return text
    raise ValueError("a `text` part of the question has no text")
