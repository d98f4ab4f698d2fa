"""Whether a replica on a Ray cluster gets a card: Ray hides those that are not asked for.

Without this a replica that was given none would serve on the CPU, and nobody be told.
"""

from app.settings import Settings


def placed(settings: Settings, num_gpus: float | None, gpus_of_cluster: float) -> Settings:
    """Return settings whose device is what a replica gets.

    Args:
        settings: as they were read.
        num_gpus: cards that a replica asks for; None: nobody said.
        gpus_of_cluster: cards that there are.

    Raises:
        ValueError: a card is wanted and not asked for, or there are some and nobody said.

    """
    if num_gpus is None and gpus_of_cluster and settings.device != "cpu":
        raise ValueError(
            f"this cluster has {gpus_of_cluster:g} GPUs: say num_gpus=1 for a replica on one, or "
            "num_gpus=0"
        )
    if settings.device.startswith("cuda") and not num_gpus:
        raise ValueError(f"device {settings.device!r} needs num_gpus=1: Ray hides cards otherwise")
    if settings.device == "auto" and num_gpus:  # a card that was asked for is to be used
        return settings.model_copy(update={"device": "cuda"})
    return settings
