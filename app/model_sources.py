"""Which models and which index are served: what the settings name, else what stands in `models`.

Knows nothing about how they are loaded.
"""

from pathlib import Path

from app.answering.answer import ModelName
from app.engine.interface import Source
from app.settings import Settings

GPT2 = "openai-community/gpt2"
GPT2_REVISION = "607a30d783dfa663caf39e06633721c8d4cfcd7e"
_MODELS = Path(__file__).resolve().parent.parent / "models"
TRAINED = _MODELS / "gpt2-medquad"
DEMO = _MODELS / "demo"
REFERENCES = _MODELS / "references"


def sources(settings: Settings) -> dict[ModelName, Source]:
    """Return which pair the settings ask for: what they name, else what was trained, else demo.

    The base's default follows the fine-tuned model's: each is compared with what it came from.
    """
    demo = settings.fine_tuned_model is None and not TRAINED.is_dir()
    fine_tuned = settings.fine_tuned_model or str(DEMO / "fine-tuned" if demo else TRAINED)
    base = settings.base_model or (str(DEMO / "base") if demo else GPT2)
    base_revision = settings.base_revision or (GPT2_REVISION if base == GPT2 else None)
    return {
        "fine-tuned": Source(fine_tuned, settings.fine_tuned_revision),
        "base": Source(base, base_revision),
    }


def reference_index(settings: Settings) -> Path | None:
    """Return the index of references that the settings ask for, if any."""
    if settings.references is None:
        return REFERENCES if REFERENCES.is_dir() else None
    return None if settings.references == "none" else Path(settings.references)
