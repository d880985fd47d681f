"""`train`: a configuration, overrides, and the checks that can be made before anything heavy is imported."""

import json
import os
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nmt.cli.arguments import Parser
from nmt.cli.guard import guarded
from nmt.config.find import available_configs, describe, task_of
from nmt.errors import ConfigError, DataError, NMTError

if TYPE_CHECKING:
    from nmt.config.options import Option
    from nmt.config.recognition import RecognitionConfig
    from nmt.config.schema import Config, Root, RunConfig
    from nmt.data.pairs import Reader

EXAMPLES: Final = """examples:
  python scripts/train.py --config gnmt_small
  python scripts/train.py --config gnmt_small --run-dir runs/demo --logger wandb --train.max_minutes 5
  python scripts/train.py --config gnmt_small --model.hidden_size 512 --model.dropout.input 0.3 --print-config

  your own corpus, DIR/train.en and DIR/train.de and so on, English to German:
  python scripts/train.py --config gnmt_multi30k --data.train DIR/train --data.validation DIR/val \\
      --data.test DIR/test --data.source en --data.target de

  several corpora, of several kinds:
  python scripts/train.py --config gnmt_wmt16 --data.train '[{path: a.tsv}, {path: b.jsonl.gz, weight: 2}]'

  a recogniser of handwriting: of digits, without a file; of lines, in a folder of images and transcripts or of pages;
  of the strokes of a pen:
  python scripts/train.py --config digits_small
  python scripts/train.py --config lines_small --data.train DIR/train --data.validation DIR/val --data.test DIR/test
  python scripts/train.py --config strokes_small

The same command with the same --run-dir goes on where it was interrupted.
"""

SECTIONS: Final = """any option of the configuration, as --section.option VALUE:
  --seed N --logger wandb|csv|tensorboard|none --name NAME
  --data.*         corpora, batches; languages and cleaning, or augmentation of handwriting
  --tokenizer.*    SentencePiece: kind, vocabulary, or a model of yours (translation)
  --model.*        layers, sizes, cell, dropout; attention, or what sees images and strokes
  --train.*        how long, optimizer, schedule, validation, checkpoints, hardware
  --search.*       beam size and so on that validation and `translate` or `recognize` use
  All of them, with values and defaults: --help-options, or --help-options model;
  of one kind of run: --help-options --task recognition, or with a --config of that kind
"""

BEFORE_FIRST_STEP: Final = "before the first step; nothing is lost, start it again"


def parser() -> Parser:
    """The options that are not the configuration's."""
    options = Parser("train", description="Train a translator, or a recogniser of handwriting.", add_help=False)
    options.usage = "train --config NAME_OR_FILE [--run-dir DIR] [--section.option VALUE ...]"
    options.add_argument("--config", metavar="NAME_OR_FILE", help="a name below, a YAML file, or a run's folder")
    options.add_argument(
        "--run-dir", type=Path, metavar="DIR", help="where the run is kept, and resumed (default: runs/NAME-TIME)"
    )
    options.add_argument("--no-resume", action="store_true", help="stop rather than go on with a run in --run-dir")
    options.add_argument(
        "--print-config", "--print_config", action="store_true", help="print the whole configuration as YAML, and stop"
    )
    options.add_argument("-h", "--help", action="store_true", help="print this, and stop")
    options.add_argument(
        "--help-options",
        nargs="?",
        const="",
        metavar="SECTION",
        help="print every option of the configuration, and stop",
    )
    return options


def run(argv: list[str]) -> int:
    """Train. Whatever can be wrong with options and files is said before torch is imported."""
    options = parser()
    arguments, overrides = options.parse_known_args(argv)
    if arguments.help:
        print(_help(options), end="")
        return 0
    if arguments.help_options is not None:
        print("\n".join(_option_lines(arguments.help_options, _possible_roots(arguments.config, overrides))))
        return 0
    _check_own_options(options, overrides)
    if arguments.config is None:
        raise ConfigError(f"--config is needed: {', '.join(available_configs()) or 'a YAML file'}; see train --help")
    from nmt.config.load import dump_yaml, load_config
    from nmt.config.schema import check_validation

    config = load_config(arguments.config, overrides)
    if arguments.print_config:
        print(dump_yaml(config), end="")
        return 0
    check_validation(config)
    check_files(config)
    _check_run_dir(arguments.run_dir)
    _check_start(config.train.initialize_from, arguments.run_dir)
    try:
        from nmt.training.fit import train

        train(config, run_dir=arguments.run_dir, resume=not arguments.no_resume)
    except KeyboardInterrupt as stopped:  # a later one says itself how far the run is
        raise KeyboardInterrupt(*(stopped.args or (BEFORE_FIRST_STEP,))) from None
    return 0


def check_files(config: "RunConfig") -> None:
    """Raise DataError with a line for every file that is named and not there, ConfigError where none is named."""
    if not config.data.train:
        raise ConfigError(f"data.train: nothing to train on; give --data.train {config.training_data}")
    if config.task == "recognition":
        _check_line_files(config)
    else:
        _check_pair_files(config)


def _check_line_files(config: "RecognitionConfig") -> None:
    from nmt.cli.other_task import check_are_lines

    check_are_lines(config.data)
    for name in ("language_model", "lexicon"):  # wanted at the end alone, which is too late to say so
        path = getattr(config.search, name)
        if path is not None and not os.path.isfile(path):
            raise DataError(f"search.{name}: {path}: no such file")


def _check_pair_files(config: "Config") -> None:
    from nmt.cli.other_task import check_are_texts
    from nmt.data.pairs import Languages
    from nmt.data.sources import open_sources

    languages = Languages(config.data.source, config.data.target)
    check_are_texts(config.data, languages)
    problems = []
    for name in ("train", "validation", "test"):
        try:
            open_sources(getattr(config.data, name), languages)
        except NMTError as error:  # one that is given twice; what is wrong with each by itself comes below
            problems.append(f"data.{name}: {error}")
        for source in getattr(config.data, name):
            try:
                for reader, _ in open_sources([source], languages):
                    problems += [f"data.{name}: {missing}" for missing in _missing(reader)]
            except NMTError as error:
                problems.append(f"data.{name}: {error}")
    models = config.tokenizer
    problems += [
        f"tokenizer: {path}: no such file"
        for path in (models.model, models.source_model, models.target_model)
        if path is not None and not os.path.isfile(path)
    ]
    if problems:
        lines = list(dict.fromkeys(problems))
        raise DataError("\n  ".join([f"{len(lines)} problems:", *lines] if len(lines) > 1 else lines))


def _missing(reader: "Reader") -> list[DataError]:
    """The files that a reader will want and not find, or what else it will not be able to read."""
    from nmt.data.sources import Demo
    from nmt.data.tables import Table
    from nmt.data.text_files import ParallelText, missing_file

    files: tuple[str, ...] = ()
    if isinstance(reader, Demo):
        reader.check()
    if isinstance(reader, ParallelText):
        files = (reader.source_file, reader.target_file)
    elif isinstance(reader, Table):
        files = (reader.path,)
    return [missing_file(file) for file in files if not os.path.isfile(file)]


def _check_run_dir(run_dir: Path | None) -> None:
    """Raise ConfigError where no run can be kept."""
    if run_dir is None:
        return
    place = run_dir.absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise ConfigError(f"--run-dir {run_dir}: {place} is a file, not a folder")
    if not os.access(place, os.W_OK):
        raise ConfigError(f"--run-dir {run_dir}: permission to write into {place} is denied")


def _check_start(start: str | None, run_dir: Path | None) -> None:
    """Raise DataError where a new run has nothing to begin with; one that goes on does not need it any more."""
    goes_on = run_dir is not None and any(run_dir.glob("checkpoints/*.ckpt"))
    if start is not None and not goes_on and not os.path.exists(start):
        raise DataError(f"train.initialize_from: {start}: no such file or run folder")


def _check_own_options(options: Parser, overrides: list[str]) -> None:
    """Raise ConfigError for `--run_dir` and the like, which would otherwise be looked up in the configuration."""
    for word in overrides:
        name = word.partition("=")[0]
        if name.startswith("--") and "." not in name and (near := options.meant(name, cutoff=0.8)):
            raise ConfigError(f"unknown option {name}; did you mean {near}?")


def _help(options: Parser) -> str:
    found = available_configs()
    width = max(map(len, found), default=0)
    groups: dict[str, str] = {}
    for name, path in found.items():
        task = task_of(path)
        groups[task] = groups.get(task, "") + f"  {name:<{width}}  {describe(path)}\n"
    configs = "\n".join(f"configurations, {task}:\n{lines}" for task, lines in sorted(groups.items(), reverse=True))
    return f"{options.format_help()}\n{configs}\n{SECTIONS}\n{EXAMPLES}"


def _possible_roots(config: str | None, overrides: list[str]) -> "list[Root]":
    """The schema of the kind of run that is asked for; where none is, of all kinds."""
    from nmt.config.load import asked_task, load_config, parse_overrides
    from nmt.config.schema import ROOTS, root_of

    if config is not None:
        return [type(load_config(config, overrides))]
    asked = asked_task(parse_overrides(overrides))
    try:
        return [*ROOTS.values()] if asked is None else [root_of(asked)]
    except ConfigError as error:
        raise ConfigError(f"--task: {error}") from None


def _option_lines(section: str, roots: "list[Root]") -> Iterator[str]:
    """Every option with its kind, default and description, of one section or of all; what kinds share stands once."""
    from nmt.config.options import nearest, options

    width = min(120, shutil.get_terminal_size().columns)
    seen: set[tuple[str, str]] = set()
    for root in roots:
        chosen = [option for key, option in options(root).items() if not section or f"{key}.".startswith(f"{section}.")]
        described = {(option.key, _description(option)) for option in chosen}
        if len(roots) > 1 and described - seen:
            shared = ", beside what is the same" if described & seen else ""
            yield f"# {root.model_fields['task'].default} runs{shared}"
        for option in chosen:
            text = _description(option)
            if (option.key, text) not in seen:
                yield f"--{option.key}"
                yield from textwrap.wrap(text, width - 6, initial_indent=" " * 6, subsequent_indent=" " * 6)
        seen |= described
    if not seen:
        near = next(filter(None, (nearest(section, root) for root in roots)), None)
        raise ConfigError(f"--help-options {section}: no such section" + (f"; did you mean {near}?" if near else ""))


def _description(option: "Option") -> str:
    default = option.default if isinstance(option.default, str) else json.dumps(option.default)
    return "; ".join(filter(None, (option.description, f"{option.kind}; default {default}")))


main = guarded(run)
