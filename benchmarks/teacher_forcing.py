"""What scheduled teacher forcing costs: processor time of a whole training step over that with the true target.

    python benchmarks/teacher_forcing.py
    python benchmarks/teacher_forcing.py --config gnmt_multi30k --ratios 0.9 0.75 --rounds 10 --model.hidden_size 512

Every way trains the same model on the same random batches, with loss, backward, clipping and optimiser, one thread, in
turn within each round. The lowest of the rounds counts for each batch and way, because a neighbour on the machine can
only add to it; the table sums these over the batches.
"""

import argparse
import sys
import time
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from nmt.config.load import load_config
from nmt.config.schema import Config
from nmt.config.training import TeacherForcingConfig
from nmt.data.batch import TranslationBatch
from nmt.models.build import build_translation
from nmt.models.masks import padding_mask
from nmt.training.sequence_task import build_optimizer
from nmt.training.translation.task import batch_loss
from nmt.training.translation.teacher_forcing import read_target

BATCHES = 6


class Way(NamedTuple):
    """A row of the table."""

    name: str
    config: TeacherForcingConfig
    ratio: float


def ways(config: Config, ratios: list[float]) -> list[Way]:
    """The plain step first."""
    given = config.train.teacher_forcing
    methods = {
        "1 parallel pass": {"method": "parallel"},
        "2 parallel passes": {"method": "parallel", "passes": 2},
        "roll-out": {"method": "rollout"},
        "roll-out of a sample": {"method": "rollout", "feedback": "sample"},
        "loop with gradient": {"method": "loop"},
    }
    plain = [Way("the true target", given, 1.0)]
    return plain + [Way(name, given.model_copy(update=how), r) for r in ratios for name, how in methods.items()]


def random_batch(config: Config, generator: torch.Generator) -> TranslationBatch:
    """Sentences of similar length that fill the budget of one batch."""
    longest = int(torch.randint(8, 26, (), generator=generator))
    budget = min(config.data.batch_source_tokens, config.data.batch_target_tokens)
    count = max(1, min(budget // longest, config.data.batch_sentences))
    lengths = torch.randint(max(2, longest - 3), longest + 1, (count,), generator=generator)
    tokens = torch.randint(4, config.tokenizer.vocabulary_size, (3, count, longest), generator=generator)
    tokens *= padding_mask(lengths, longest)
    return TranslationBatch(tokens[0], lengths, tokens[1], tokens[2], lengths, torch.arange(count))


def measure(config: Config, rows: list[Way], *, rounds: int) -> list[float]:
    """CPU-seconds of a step for each way, a mean over batches."""
    torch.manual_seed(config.seed)
    size = config.tokenizer.vocabulary_size
    model = build_translation(config.model, size, size).train()
    optimizer = build_optimizer(config.train.optimizer, list(model.parameters()))
    generator = torch.Generator().manual_seed(1)
    batches = [random_batch(config, generator) for _ in range(BATCHES)]
    best = torch.full((len(rows), BATCHES), float("inf"))
    for round_number in range(rounds + 1):  # the first one warms up
        for b, batch in enumerate(batches):
            for w, way in enumerate(rows):
                torch.manual_seed(b)  # the same coins in every round
                read = partial(read_target, config=way.config, ratio=way.ratio)
                begin = time.process_time()
                optimizer.zero_grad()
                sums = batch_loss(model, batch, label_smoothing=config.train.label_smoothing, read=read)
                (sums.loss / batch.target_lengths.sum()).backward()
                nn.utils.clip_grad_norm_(model.parameters(), config.train.clip_norm or float("inf"))
                optimizer.step()
                if round_number:
                    best[w, b] = min(float(best[w, b]), time.process_time() - begin)
    return best.mean(dim=1).tolist()


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="gnmt_multi30k", help="name or path")
    parser.add_argument("--ratios", type=float, nargs="+", default=[0.9, 0.75], help="shares of true inputs")
    parser.add_argument("--rounds", type=int, default=8, help="the lowest of them counts")
    parser.add_argument("--threads", type=int, default=1)
    arguments, overrides = parser.parse_known_args()
    config = load_config(arguments.config, overrides)
    torch.set_num_threads(arguments.threads)
    rows = ways(config, arguments.ratios)
    seconds = measure(config, rows, rounds=arguments.rounds)
    print(f"{config.name}, hidden size {config.model.hidden_size}, torch {torch.__version__}", end="")
    print(f", {BATCHES} batches, lowest of {arguments.rounds} rounds, threads: {arguments.threads}\n")
    print("| decoder inputs | true | ms a step | over the true target |\n|-|-|-|-|")
    for way, spent in zip(rows, seconds, strict=True):
        print(f"| {way.name} | {way.ratio:.0%} | {1e3 * spent:.0f} | {spent / seconds[0] - 1:+.0%} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
