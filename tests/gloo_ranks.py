"""torchrun gloo_ranks.py FOLDER: what a rank learns from its share of some batches, for test_ranks.py."""

import logging
import os
import sys
from pathlib import Path

import torch
from test_task import LINES, batch, poisoned, trained, weights

from nmt.config.data import TokenizerConfig
from nmt.text.tokenizer import Tokenizer, Tokenizers

SIZES = [
    ((3, 2), (2, 2)),
    ((6, 9), (5, 8), (4, 7)),
    ((4, 4),),
    ((7, 3), (2, 5)),
    ((2, 6),),
    ((3, 3), (5, 5)),
    ((4, 2),),
]
BATCHES = [batch(*sizes) for sizes in [*SIZES, ((6, 6), (3, 8))]]  # of very different numbers of tokens


def tokenizers() -> Tokenizers:
    tokenizer = Tokenizer.train(LINES, config=TokenizerConfig(kind="bpe", vocabulary_size=300))
    return Tokenizers(tokenizer, tokenizer)


def main(folder: Path) -> None:
    rank = int(os.environ["RANK"])
    logging.basicConfig(filename=folder / f"rank{rank}.log", level=logging.WARNING)
    torch.set_num_threads(1)
    both = tokenizers()
    spoilt = [*BATCHES[:3], poisoned(BATCHES[3]), *BATCHES[4:]]
    for name, batches in (("whole", BATCHES), ("skipped", spoilt)):
        task = trained(both, batches[rank::2], folder, accumulate=2, log_every_steps=1)
        torch.save(weights(task), folder / f"{name}{rank}.pt")
        if rank == 0:
            torch.save({k: float(v) for k, v in task.trainer.callback_metrics.items()}, folder / f"{name}.metrics")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
