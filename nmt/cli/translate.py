"""`translate`: as many lines out as lines in, streamed, in memory that does not grow with the file."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, Final

from nmt import __version__
from nmt.cli import decoding, resume
from nmt.cli.arguments import Parser
from nmt.cli.guard import guarded
from nmt.cli.guidance import add_prefix_options, add_wish_options, read_wishes
from nmt.cli.job import Job
from nmt.cli.lines import count_lines, require_file
from nmt.cli.output import check_stream_output, destination, is_device, partial_file, record_file
from nmt.cli.parallel import Alone, Crew, processes
from nmt.cli.progress import Progress
from nmt.cli.ranks import ranks, started_by_torchrun
from nmt.cli.rows import ALIGNMENTS, FORMATS, Remarks, Row
from nmt.cli.sources import Sources, read_sources
from nmt.errors import ConfigError, DataError

EXAMPLES: Final = """examples:
  python scripts/translate.py --checkpoint runs/demo --input input.de --output output.en --beam-size 5
  echo "Der alte Mann schläft." | python scripts/translate.py --checkpoint runs/demo
  python scripts/translate.py --checkpoint runs/demo --interactive
  python scripts/translate.py --checkpoint runs/demo --input input.de --beam-size 12 --diverse-beam-groups 3 --mbr
  python scripts/translate.py --checkpoint runs/a runs/b --input input.de --format jsonl --n-best 3
  python scripts/translate.py --checkpoint runs/demo --input big.de --output big.en --devices 4 --resume
  torchrun --nproc-per-node 4 scripts/translate.py --checkpoint runs/demo --input big.de --output big.en

One sentence a line, UTF-8, also gzipped. Line n of the output translates line n of the input; an empty one stays empty.
A line longer than the model can take is split into sentences, which are translated one by one and joined again.
"""
MOST_DEVICES: Final = 1024


def parser() -> argparse.ArgumentParser:
    """All options of the command."""
    options = Parser("translate", description="Translate a text file, one sentence a line.", examples=EXAMPLES)
    options.add_argument(
        "--checkpoint",
        type=Path,
        nargs="+",
        required=True,
        metavar="PATH",
        help="a run's folder or a checkpoint; several vote on every token",
    )
    options.add_argument("--input", default="-", metavar="FILE", help="source text (default: -, standard input)")
    options.add_argument("--output", default="-", metavar="FILE", help="translations (default: -, standard output)")
    options.add_argument(
        "--resume",
        action="store_true",
        help="go on where an interrupted run of the same command stopped; leaves FILE.resume.json beside what is whole",
    )
    options.add_argument("--interactive", action="store_true", help="a prompt; every line is answered at once")
    options.add_argument(
        "--format", choices=tuple(FORMATS), default="text", help="nbest: NUMBER ||| TEXT ||| SCORE; jsonl: everything"
    )
    options.add_argument("--n-best", type=int, default=1, metavar="N", help="candidates a line, for nbest and jsonl")
    options.add_argument(
        "--alignment",
        choices=ALIGNMENTS,
        help="in jsonl: pairs of tokens (hard, default) or all weights (soft; of a line in parts, a matrix each)",
    )
    options.add_argument(
        "--on-invalid-utf8", choices=("error", "replace"), default="error", help="stop, or put U+FFFD (default: error)"
    )
    add_prefix_options(options)
    add_wish_options(options)
    decoding.add_search_options(options)
    group = decoding.add_device_options(options)
    decoding.add_precision_option(group)
    group.add_argument(
        "--devices", type=int, default=1, metavar="N", help="processes, each with a GPU if there are any"
    )
    return options


def run(argv: list[str]) -> int:
    """Translate; everything that can be wrong with the arguments is said before torch is imported."""
    arguments = parser().parse_args(argv)
    _check(arguments)
    job = _job(arguments)
    with ExitStack() as stack:
        crew = _crew(stack, job, arguments.devices)
        about = _about(arguments, job) if crew.leader and _is_resumable(arguments) else None
        progress = crew.agree(lambda: _progress(arguments, about))
        if progress.is_whole:
            if crew.leader:
                print(f"{arguments.output}: finished already, by the same command; nothing to do", file=sys.stderr)
            return 0
        search = crew.load()
        rows = _rows(crew, read_sources(stack, arguments), search.batch_sentences, skip=progress.lines)
        if not crew.leader:
            for _ in rows:
                pass
            return 0
        record = about if arguments.resume else None
        write = stack.enter_context(destination(arguments.output, about=about, keep=progress.size, record=record))
        remarks = Remarks("translate")
        with _shown(arguments, done=progress.lines) as shown:
            for number, row in enumerate(rows, start=progress.lines + 1):
                write(row.text)
                remarks.note(number, row)
                shown.advance()
    remarks.warn()
    shown.tell_end(arguments.output)
    return 0


def _job(arguments: argparse.Namespace) -> Job:
    """What is to be done, its numbers checked."""
    overrides = decoding.search_overrides(arguments)
    if arguments.n_best < 1:
        raise ConfigError(f"--n-best {arguments.n_best}: must be at least 1")
    if arguments.n_best > 1 and arguments.format == "text":
        raise ConfigError(
            f"--n-best {arguments.n_best} needs --format nbest or jsonl; text holds one translation a line"
        )
    if arguments.alignment and arguments.format != "jsonl":
        raise ConfigError(f"--alignment {arguments.alignment} needs --format jsonl")
    if not 1 <= arguments.devices <= MOST_DEVICES:
        raise ConfigError(f"--devices {arguments.devices}: must be from 1 to {MOST_DEVICES}")
    wishes = read_wishes(arguments)
    wishes.check(sampling=bool(arguments.sampling), groups=arguments.diverse_beam_groups or 1)
    return Job(
        checkpoints=tuple(arguments.checkpoint),
        overrides=overrides,
        n_best=arguments.n_best,
        format=arguments.format,
        alignment=arguments.alignment or ("hard" if arguments.format == "jsonl" else "none"),
        device=arguments.device,
        threads=arguments.threads,
        precision=arguments.precision,
        wishes=wishes,
    )


def _check(arguments: argparse.Namespace) -> None:
    """What can be known of files, and of options that do not go together."""
    if arguments.interactive and (arguments.input, arguments.output, arguments.devices) != ("-", "-", 1):
        raise ConfigError("--interactive asks and answers here; leave out --input, --output and --devices")
    for name in ("input", "output"):
        if not getattr(arguments, name):
            raise ConfigError(f"--{name} is empty; name a file, or - (an unset variable of the shell?)")
    is_pipe = arguments.input == "-" or is_device(Path(arguments.input))
    if started_by_torchrun() and (is_pipe or arguments.devices > 1):
        raise ConfigError("under torchrun every rank reads the whole input: give --input FILE, no pipe, no --devices")
    if arguments.resume and not _is_resumable(arguments):
        raise ConfigError("--resume needs --input FILE and --output FILE; a pipe cannot be read again")
    files = [Path(arguments.input)] if arguments.input != "-" else []
    files += [file for file in (arguments.prefix_file, arguments.glossary) if file]
    for file in files:
        require_file(file)
    for path in arguments.checkpoint:
        decoding.require_checkpoint(path)
        files += decoding.checkpoint_files(path)
    check_stream_output(arguments.output, inputs=files)
    _check_prefixes(Path(arguments.input), arguments.prefix_file)


def _check_prefixes(source: Path, prefixes: Path | None) -> None:
    """Raise DataError where two files differ in length: after hours it would be late, and no --resume would help."""
    if prefixes is None or not (source.is_file() and prefixes.is_file()):
        return
    lines, others = count_lines(source), count_lines(prefixes)
    if lines != others:
        raise DataError(f"{prefixes} has {others:,} lines, {source} has {lines:,}; both must have as many")


def _is_resumable(arguments: argparse.Namespace) -> bool:
    output = Path(arguments.output)
    return arguments.output != "-" and not is_device(output) and Path(arguments.input).is_file()


def _crew(stack: ExitStack, job: Job, devices: int) -> Crew:
    """Who translates; nothing is read yet."""
    if started_by_torchrun():
        return stack.enter_context(ranks(job))
    if devices > 1:
        return stack.enter_context(processes(job, devices))
    return Alone(job)


def _about(arguments: argparse.Namespace, job: Job) -> dict[str, Any]:
    """Everything that decides what is written, for --resume to compare; what of the search is not given, is stored."""
    checkpoints = [file for path in job.checkpoints for file in decoding.checkpoint_files(path)[:1]]
    files = {"prefix-file": arguments.prefix_file, "glossary": arguments.glossary}
    named = ("format", "n_best", "prefix", "on_invalid_utf8", "mbr", "candidates", "precision")
    return {
        "version": __version__,
        "checkpoint": resume.fingerprint(checkpoints),
        "input": resume.fingerprint([Path(arguments.input)]),
        **{name: resume.fingerprint([path]) for name, path in files.items() if path is not None},
        **{name: getattr(arguments, name) for name in named},
        "alignment": job.alignment,
        "copy": ",".join(job.wishes.copy),
        "search": job.overrides,
    }


def _progress(arguments: argparse.Namespace, about: dict[str, Any] | None) -> resume.Progress:
    if not arguments.resume or about is None:
        return resume.Progress()
    output = Path(arguments.output)
    partial = partial_file(output)
    if partial.exists():
        return resume.earlier_progress(partial, about, numbered=arguments.format == "nbest")
    return resume.finished(output, about, record=record_file(output))


def _rows(crew: Crew, sources: Sources, batch_sentences: int, *, skip: int) -> Iterator[Row]:
    """The row of every line after the first `skip`."""
    from nmt.inference.windows import windows

    cut = windows(sources.lines, batch_sentences, comes=sources.comes)
    wanted = (window for window in cut if window.first + len(window.lines) - 1 > skip)
    for window, rows in crew.answers(wanted):
        yield from islice(rows, max(0, skip - window.first + 1), None)


def _shown(arguments: argparse.Namespace, *, done: int) -> Progress:
    """Nothing where the translations themselves can be seen to come."""
    quiet = arguments.interactive or (arguments.output == "-" and sys.stdout.isatty())
    return Progress("translate", total=lambda: _total(Path(arguments.input)), done=done, quiet=quiet)


def _total(path: Path) -> int | None:
    """The lines of a file, if it is one, and whole: what stands before the damage is translated all the same."""
    try:
        return count_lines(path) if path.is_file() else None
    except DataError:
        return None


main = guarded(run)
