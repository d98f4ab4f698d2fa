"""A Trainer runs to its end, or to Ctrl-C, which leaves a checkpoint to resume from."""

from pathlib import Path

from transformers import Trainer

from training.trainer.checkpoints import last_checkpoint
from training.trainer.interruption import Interruption


def run_to_the_end(trainer: Trainer, checkpoint: str | None) -> None:
    """Train, from a checkpoint if there is one.

    Raises:
        KeyboardInterrupt: stopped by Ctrl-C; says where the checkpoint is.

    """
    if trainer.args.world_size > 1:  # each would stop at another step, and wait for the others
        trainer.train(resume_from_checkpoint=checkpoint)
        return
    interruption = Interruption()
    trainer.add_callback(interruption)
    with interruption:
        trainer.train(resume_from_checkpoint=checkpoint)
    if interruption.came:
        work = Path(str(trainer.args.output_dir))
        raise KeyboardInterrupt(f"stopped; --resume goes on from {last_checkpoint(work)}")
