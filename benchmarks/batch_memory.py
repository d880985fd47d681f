"""The largest batch that a GPU has memory for, found by trying.

    python benchmarks/batch_memory.py --config gnmt_wmt16
    python benchmarks/batch_memory.py --config gnmt_wmt16 --length 80 --spare 0.2 --model.hidden_size 512

A whole training step, optimiser included, is made with more and more tokens until memory runs out. Batches are
sentences of one length; `--length` is best the longest that is common in the corpus, since attention grows with its
square. Larger batches are faster, not better: see how learning goes before taking all of it.
"""

import argparse
import gc
import sys
from collections.abc import Callable

import torch

from nmt.config.load import load_config
from nmt.config.schema import Config
from nmt.data.batch import TranslationBatch
from nmt.models.build import build_translation
from nmt.training.machine.precision import multiplies_bf16
from nmt.training.sequence_task import build_optimizer
from nmt.training.translation.task import batch_loss


def largest_that_fits(fits: Callable[[int], bool], *, start: int, most: int) -> int:
    """The largest number up to `most` for which `fits`, within 5 %; 0 where not even `start` does.

    `fits` must be true up to some number and false beyond. Numbers double from `start` on, then the gap is halved.
    """
    good, bad = 0, None
    number = min(start, most)
    while bad is None:
        if fits(number):
            good = number
            if good == most:
                return good
            number = min(2 * number, most)
        else:
            bad = number
    while good and bad - good > max(1, good // 20):
        middle = (good + bad) // 2
        if fits(middle):
            good = middle
        else:
            bad = middle
    return good


def make_step(config: Config, tokens: int, length: int, device: str) -> None:
    """Two training steps on a batch of about `tokens` tokens a side; whatever memory they took is given back."""
    size = config.tokenizer.vocabulary_size
    model = build_translation(config.model, size, size).train().to(device)
    optimizer = build_optimizer(config.train.optimizer, list(model.parameters()))
    sentences = max(1, tokens // length)
    words = torch.randint(4, size, (3, sentences, length), device=device)
    lengths = torch.full((sentences,), length, device=device)
    batch = TranslationBatch(words[0], lengths, words[1], words[2], lengths, torch.arange(sentences))
    bf16 = config.train.precision == "bf16" or (
        config.train.precision == "auto" and multiplies_bf16(on_gpu=device == "cuda")
    )
    for _ in range(2):  # the optimiser's state comes into being in the first
        optimizer.zero_grad()
        with torch.autocast(device, dtype=torch.bfloat16, enabled=bf16):
            loss = batch_loss(model, batch, label_smoothing=config.train.label_smoothing).loss
        loss.backward()
        optimizer.step()


def fits_gpu(config: Config, tokens: int, *, length: int, spare: float) -> bool:
    """Whether the step's peak leaves `spare` of the GPU's memory free."""
    torch.cuda.reset_peak_memory_stats()
    try:
        make_step(config, tokens, length, "cuda")
        torch.cuda.synchronize()
        peak = torch.cuda.max_memory_reserved()
    except torch.OutOfMemoryError:
        return False
    finally:
        gc.collect()
        torch.cuda.empty_cache()
    return peak <= (1 - spare) * torch.cuda.get_device_properties(0).total_memory


def main() -> int:
    """Print the options to give."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="gnmt_wmt16", help="name or path")
    parser.add_argument("--length", type=int, default=50, help="tokens of each sentence")
    parser.add_argument("--spare", type=float, default=0.1, help="share of the memory that stays free")
    parser.add_argument("--most", type=int, default=1_000_000, help="tokens that are enough")
    arguments, overrides = parser.parse_known_args()
    config = load_config(arguments.config, overrides)
    if not torch.cuda.is_available():
        print("torch finds no GPU here; on a CPU choose the batch size for learning, not for memory", file=sys.stderr)
        return 2

    def fits(tokens: int) -> bool:
        fitted = fits_gpu(config, tokens, length=arguments.length, spare=arguments.spare)
        print(f"{tokens:>9,} tokens: {'fits' if fitted else 'too much'}", file=sys.stderr, flush=True)
        return fitted

    tokens = largest_that_fits(fits, start=1000, most=arguments.most)
    if not tokens:
        print("not even 1,000 tokens fit; use a smaller model or shorter sentences", file=sys.stderr)
        return 1
    sentences = max(1, tokens // 8)
    print(f"--data.batch_source_tokens {tokens} --data.batch_target_tokens {tokens} --data.batch_sentences {sentences}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
