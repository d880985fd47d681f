"""What a large corpus costs: preparing it once, starting with it again, memory, and time per token.

    python benchmarks/corpus_size.py
    python benchmarks/corpus_size.py --pairs 29000 1000000 10000000 --folder /big/disk

For each size, a synthetic corpus of pairs of 12 words is written to a temporary folder and prepared. A fresh process
then opens it for the first time, which checks every byte of it, and another starts training from the cache and makes
some steps. Times are of the processor, but for "wall". Memory is given three ways (/proc/self/smaps_rollup): what the
process alone holds (anonymous); with the pages of files that it has mapped and touched, which belong to the page cache,
are shared by all ranks and taken back at need (resident); and the same with shared pages divided among the processes
that share them (proportional).
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PHRASES = 1000  # of four words each; three make a sentence, so a thousand million are possible
WORDS = 3000
SETTLED_SECONDS = 2.5


def write_corpus(folder: Path, pairs: int) -> None:
    """Two files of sentences, nearly all of them distinct."""
    rng = random.Random(1)
    letters = "etaoinshrdlcumwfgypbvk"
    sides = []
    for _ in ("en", "de"):
        words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(WORDS)]
        sides.append([[" ".join(rng.choices(words, k=4)) for _ in range(PHRASES)] for _ in range(3)])
    with open(folder / "train.en", "w") as source, open(folder / "train.de", "w") as target:
        for _ in range(pairs):
            i, j, k = rng.randrange(PHRASES), rng.randrange(PHRASES), rng.randrange(PHRASES)
            for file, (first, second, third) in ((source, sides[0]), (target, sides[1])):
                file.write(f"{first[i]} {second[j]} {third[k]}\n")


def configuration(folder: Path) -> Any:
    """gnmt_multi30k on that corpus."""
    from nmt.config.load import load_config

    return load_config(
        "gnmt_multi30k",
        [
            *("--data.train", str(folder / "train"), "--data.validation", "[]", "--data.test", "[]"),
            *("--data.cache_dir", str(folder / "cache"), "--data.preparation_processes", "1"),
            *("--tokenizer.max_training_lines", "100000", "--train.threads", "1"),
        ],
    )


def prepare(folder: Path) -> dict[str, float]:
    """Read, clean, learn the vocabulary, tokenise."""
    from nmt.data.prepare import prepare_corpora

    config = configuration(folder)
    begin = time.process_time()
    prepare_corpora(config.data, config.tokenizer, seed=1)
    return {"prepare s": time.process_time() - begin}


def check(folder: Path) -> dict[str, float]:
    """Open it for the first time."""
    import datasets  # noqa: F401, not to count its import
    import sentencepiece  # noqa: F401, the same

    from nmt.data.prepare import prepare_corpora

    config = configuration(folder)
    time.sleep(SETTLED_SECONDS)  # files touched this very moment would be checked again the next time
    begin = time.process_time()
    prepare_corpora(config.data, config.tokenizer, seed=1)
    return {"first open s": time.process_time() - begin}


def start(folder: Path, steps: int) -> dict[str, float]:
    """Open the prepared corpus, plan the epoch, train."""
    import datasets  # noqa: F401, not to count its import
    import sentencepiece  # noqa: F401, the same
    import torch

    from nmt.data.loader import training_loader
    from nmt.data.prepare import prepare_corpora
    from nmt.models.build import build_translation
    from nmt.training.machine.levers import limit_kernels
    from nmt.training.sequence_task import build_optimizer
    from nmt.training.translation.task import batch_loss

    torch.set_num_threads(1)
    limit_kernels()
    config = configuration(folder)
    found = {}
    wall, begin = time.perf_counter(), time.process_time()
    corpora = prepare_corpora(config.data, config.tokenizer, seed=1)
    found["open s"] = time.process_time() - begin
    begin = time.process_time()
    loader = training_loader(corpora, config.data, seed=1)
    batches = iter(loader)
    batch = next(batches)
    found["plan s"] = time.process_time() - begin
    found["both, wall s"] = time.perf_counter() - wall
    found |= memory("at the first batch")
    size = corpora.tokenizers.source.vocabulary_size
    model = build_translation(config.model, size, size).train()
    optimizer = build_optimizer(config.train.optimizer, list(model.parameters()))
    spent, tokens, loading = 0.0, 0, 0.0
    for step in range(steps):
        begin = time.process_time()
        optimizer.zero_grad()
        (batch_loss(model, batch).loss / batch.target_lengths.sum()).backward()
        optimizer.step()
        middle = time.process_time()
        if step >= steps // 4:
            tokens += int(batch.target_lengths.sum())
            spent += middle - begin
        batch = next(batches)
        if step >= steps // 4:
            loading += time.process_time() - middle
    found |= memory("trained")
    found["step µs/token"] = 1e6 * spent / tokens
    found["loader µs/token"] = 1e6 * loading / tokens
    return found


def memory(name: str) -> dict[str, float]:
    """Megabytes of this process: anonymous, resident, proportional."""
    fields = [line.split() for line in Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]]
    kilobytes = {field[0]: int(field[1]) for field in fields}
    return {
        f"MB {name}, {kind}": kilobytes[field] / 1024
        for kind, field in (("anonymous", "Anonymous:"), ("resident", "Rss:"), ("proportional", "Pss:"))
    }


def measure(pairs: int, place: Path | None, steps: int) -> dict[str, float]:
    """One row: each part in a process of its own."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        write_corpus(Path(folder), pairs)
        row = {"pairs": float(pairs)}
        for part in PARTS:
            command = [sys.executable, __file__, "--part", part, "--folder", folder, "--steps", str(steps)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            row |= json.loads(done.stdout.splitlines()[-1])
        return row


PARTS: dict[str, Any] = {"prepare": prepare, "check": check, "start": start}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[29_000, 1_000_000], help="sizes, a row each")
    parser.add_argument("--folder", type=Path, help="where temporary files go; 10 million pairs take 6 GB")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        part = PARTS[arguments.part]
        print(json.dumps(part(arguments.folder, arguments.steps) if part is start else part(arguments.folder)))
        return 0
    for number, pairs in enumerate(arguments.pairs):
        row = measure(pairs, arguments.folder, arguments.steps)
        if number == 0:
            print("| " + " | ".join(row) + " |\n" + "|-" * len(row) + "|")
        print(
            "| " + " | ".join(f"{value:,.0f}" if value >= 100 else f"{value:.2f}" for value in row.values()) + " |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
