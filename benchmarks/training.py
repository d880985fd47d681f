"""Target tokens per CPU-second of training one configuration's model, with the whole step: loss, backward, optimiser.

    python benchmarks/training.py --config gnmt_multi30k
    python benchmarks/training.py --config gnmt_multi30k --threads 1 --steps 30 --model.hidden_size 512

Batches are random sentences of 5 to 25 tokens within the configuration's token budget, so no corpus is needed and the
loader is not counted. Processor time is counted, not the clock, and the median step is quoted: machines are noisy.
"""

import argparse
import statistics
import sys
import time

import torch

from nmt.config.load import load_config
from nmt.config.schema import Config
from nmt.data.batch import TranslationBatch
from nmt.models.build import build_translation
from nmt.models.masks import padding_mask
from nmt.training.task import batch_loss, build_optimizer


def random_batch(config: Config, generator: torch.Generator) -> TranslationBatch:
    """Sentences of similar length that fill the budget of one batch."""
    vocabulary = config.tokenizer.vocabulary_size
    longest = int(torch.randint(8, 26, (), generator=generator))
    budget = min(config.data.batch_source_tokens, config.data.batch_target_tokens)
    count = max(1, min(budget // longest, config.data.batch_sentences))
    lengths = torch.randint(max(2, longest - 3), longest + 1, (count,), generator=generator)
    tokens = torch.randint(4, vocabulary, (3, count, longest), generator=generator)
    tokens *= padding_mask(lengths, longest)
    return TranslationBatch(tokens[0], lengths, tokens[1], tokens[2], lengths, torch.arange(count))


def measure(config: Config, *, bf16: bool, steps: int) -> tuple[float, float]:
    """(target tokens, source and target tokens) per CPU-second."""
    torch.manual_seed(config.seed)
    size = config.tokenizer.vocabulary_size
    model = build_translation(config.model, size, size).train()
    optimizer = build_optimizer(config.train.optimizer, list(model.parameters()))
    generator = torch.Generator().manual_seed(1)
    warmup, speeds, both = 3, [], []
    for step in range(warmup + steps):
        batch = random_batch(config, generator)
        begin = time.process_time()
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            sums = batch_loss(model, batch, label_smoothing=config.train.label_smoothing)
        tokens = int(batch.target_lengths.sum())
        (sums.loss / tokens).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.train.clip_norm or float("inf"))
        optimizer.step()
        seconds = time.process_time() - begin
        if step >= warmup:
            speeds.append(tokens / seconds)
            both.append((tokens + int(batch.source_lengths.sum())) / seconds)
    return statistics.median(speeds), statistics.median(both)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="gnmt_multi30k", help="name or path")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=20, help="measured steps of each row")
    arguments, overrides = parser.parse_known_args()
    config = load_config(arguments.config, overrides)
    torch.set_num_threads(arguments.threads)
    model = config.model
    print(
        f"{config.name}: {model.encoder_layers}+{model.decoder_layers} layers of {model.hidden_size},"
        f" {model.attention} attention,"
    )
    print(f"vocabulary {config.tokenizer.vocabulary_size}, {arguments.threads} thread(s), torch {torch.__version__}\n")
    print("| numbers | target tokens / CPU-second | source + target |\n|-|-|-|")
    for bf16 in (False, True):
        target, both = measure(config, bf16=bf16, steps=arguments.steps)
        print(f"| {'bf16' if bf16 else 'fp32'} | {target:,.0f} | {both:,.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
