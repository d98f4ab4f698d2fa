"""What fits into a model's context: how much room a prompt leaves, and when it leaves none."""

from app.engine.interface import ServedModel
from app.errors import PromptTooLong


def answer_room(model: ServedModel, prompt_ids: list[int]) -> int:
    """Return the most tokens that an answer to a prompt may have.

    Raises:
        PromptTooLong: the prompt fills the context.

    """
    room = model.context_tokens - len(prompt_ids)
    if room < 1:
        raise PromptTooLong(
            f"The prompt has {len(prompt_ids)} tokens; the model's context holds "
            f"{model.context_tokens} for prompt and answer together."
        )
    return room


def require_fit(model: ServedModel, prompt_ids: list[int], continuation_ids: list[int]) -> None:
    """Check that a prompt and a known continuation can be read at once.

    Raises:
        PromptTooLong: they exceed the context.

    """
    tokens = len(prompt_ids) + len(continuation_ids)
    if tokens > model.context_tokens:
        raise PromptTooLong(
            f"Prompt and reference have {tokens} tokens; the model's context holds "
            f"{model.context_tokens}."
        )
