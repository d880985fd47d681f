"""`evaluate`: BLEU, chrF++, TER and COMET of translated files or checkpoints, with signatures; do they differ?"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nmt.cli import decoding
from nmt.cli.evaluate_options import WORST_BY, Wanted, check_options, parser
from nmt.cli.guard import guarded
from nmt.cli.heatmaps import check_heatmaps, write_heatmaps
from nmt.cli.lines import one_line, read_lines
from nmt.cli.output import check_output
from nmt.cli.progress import Progress, tell
from nmt.cli.report import Comparison, Report, report_json, report_text
from nmt.cli.rows import Remarks, Row
from nmt.cli.suspicions import warn_if_swapped, warn_if_tokenized
from nmt.cli.worst import BadSentence, worst_file, worst_json, worst_sentences, worst_text
from nmt.errors import DataError
from nmt.files import atomic_write

if TYPE_CHECKING:
    from nmt.metrics.bleu import Scores, SentenceScore


class System(NamedTuple):
    """One system's translations of the test set."""

    name: str
    hypotheses: list[str]


def run(argv: list[str]) -> int:
    """Score; what can be wrong with arguments and files is said before anything is translated.

    But what does not go with the search of a checkpoint is known when that is read, and it is when its turn comes.
    """
    options = parser()
    arguments = options.parse_args(argv)
    wanted = check_options(options, arguments)
    references = [read_lines(path) for path in arguments.reference]
    sources = None if arguments.source is None else read_lines(arguments.source)
    given = [System(str(path), read_lines(path)) for path in arguments.hypotheses or ()]
    _check_counts(arguments, references, sources, given)
    _check_outputs(options, arguments)
    _check_scorers(arguments)
    systems = given or _translate(arguments, sources or [], wanted)
    report = _report(arguments, systems, references, sources)
    sentences = _sentence_scores(arguments, systems, references)
    worst = _worst(arguments, systems, sentences, references, sources)
    if arguments.sentence_scores is not None:
        atomic_write(arguments.sentence_scores, _sentence_table(systems, sentences))
    for system in systems:
        if arguments.tokenize != "none":
            warn_if_tokenized(system.name, system.hypotheses)
        if sources is not None:
            warn_if_swapped(system.name, system.hypotheses, sources, references)
    if arguments.json:
        print(json.dumps(report_json(report) | ({"worst": worst_json(worst)} if arguments.worst else {})))
    else:
        print(report_text(report))
        if arguments.worst:
            print(f"\n{worst_text(worst, metric=_worst_metric(arguments), total=len(references[0]))}")
    return 0


# --- what can be said before work begins


def _check_counts(
    arguments: argparse.Namespace,
    references: Sequence[list[str]],
    sources: list[str] | None,
    given: Sequence[System],
) -> None:
    files = list(zip(arguments.reference, references, strict=True))
    files += [] if sources is None else [(arguments.source, sources)]
    files += [(path, system.hypotheses) for path, system in zip(arguments.hypotheses or (), given, strict=True)]
    for path, lines in reversed(files):
        if not lines:
            raise DataError(f"{path}: is empty; there is nothing to score")
        if len(lines) != len(references[0]):
            raise DataError(
                f"{path} has {len(lines)} lines but {arguments.reference[0]} has {len(references[0])};"
                " line n of the one must belong to line n of the other"
            )
    if arguments.heatmaps is not None:
        check_heatmaps(arguments.heatmaps, arguments.sentences, lines=len(references[0]))


def _check_outputs(options: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    inputs = [*arguments.reference, *(arguments.hypotheses or ())]
    inputs += [] if arguments.source is None else [arguments.source]
    inputs += [file for path in arguments.checkpoint or () for file in decoding.checkpoint_files(path)]
    named = [("--output", path) for path in arguments.output or ()]
    named += [("--sentence-scores", arguments.sentence_scores), ("--worst-file", arguments.worst_file)]
    seen: dict[Path, str] = {}
    for option, path in named:
        if path is None:
            continue
        check_output(path, inputs=inputs)
        if path.resolve() in seen:
            options.error(f"{seen[path.resolve()]} and {option} name the same file")
        seen[path.resolve()] = option


def _check_scorers(arguments: argparse.Namespace) -> None:
    """What is not installed is missed now, not after translating."""
    from nmt.metrics.bleu import check_tokenizer
    from nmt.metrics.comet import check_comet

    check_tokenizer(arguments.tokenize)
    if "comet" in arguments.metrics:
        check_comet()


# --- the work


def _translate(arguments: argparse.Namespace, sources: list[str], wanted: Wanted) -> list[System]:
    """A system for each checkpoint, its files and heat-maps written as soon as it is done."""
    systems = []
    chosen = {number for numbers in arguments.sentences or () for number in numbers}
    for index, path in enumerate(arguments.checkpoint):
        translator = decoding.load_translator(
            path, device=arguments.device, threads=arguments.threads, precision=arguments.precision
        )
        decoding.tell_unfinished([path])
        search = decoding.with_overrides(translator.search, wanted.overrides)
        wanted.wishes.check(sampling=search.sampling, groups=search.diverse_beam_groups, beam_size=search.beam_size)
        stream = translator.translate_stream(
            sources,
            search=search,
            attention=arguments.heatmaps is not None,
            guidance=wanted.wishes.guidance(),
        )
        hypotheses = []
        speaker = "evaluate" if len(arguments.checkpoint) == 1 else f"evaluate: {path}"
        remarks = Remarks(speaker)
        with Progress(speaker, total=lambda: len(sources)) as shown:
            for number, translation in enumerate(stream, start=1):
                hypotheses.append(one_line(translation.text))
                remarks.note(number, Row.of(translation, hypotheses[-1]))
                shown.advance()
                if number in chosen:
                    name = f"line_{number}" if len(arguments.checkpoint) == 1 else f"system_{index + 1}_line_{number}"
                    if not write_heatmaps(arguments.heatmaps, name, translation):
                        tell(f"evaluate: line {number} has no word, and so no heat-map")
        if arguments.output is not None:
            atomic_write(arguments.output[index], "".join(f"{line}\n" for line in hypotheses))
        remarks.warn()
        systems.append(System(str(path), hypotheses))
    return systems


def _report(
    arguments: argparse.Namespace,
    systems: Sequence[System],
    references: Sequence[list[str]],
    sources: list[str] | None,
) -> Report:
    from nmt.metrics.bleu import Scores

    lines = [system.hypotheses for system in systems]
    metrics = [name for name in arguments.metrics if name != "comet"]
    found = _sacrebleu(arguments, metrics, lines, references) if metrics else [Scores(len(lines[0]), {})] * len(lines)
    if "comet" in arguments.metrics:
        from nmt.metrics.comet import MODEL, comet_scores

        comet = comet_scores(
            lines,
            references[0],
            sources or [],
            model=arguments.comet_model or MODEL,
            gpus=arguments.comet_gpus or 0,
        )
        found = [
            Scores(scores.sentences, {**scores.metrics, "comet": one}) for scores, one in zip(found, comet, strict=True)
        ]
    ordered = [Scores(one.sentences, {name: one.metrics[name] for name in arguments.metrics}) for one in found]
    return _with_comparison(arguments, Report([system.name for system in systems], ordered), any_tested=bool(metrics))


def _sacrebleu(
    arguments: argparse.Namespace,
    metrics: Sequence[str],
    systems: Sequence[Sequence[str]],
    references: Sequence[Sequence[str]],
) -> "list[Scores]":
    from nmt.metrics.bleu import corpus_scores
    from nmt.metrics.significance import SEED, resampled_scores

    options: dict[str, Any] = {
        "metrics": metrics,
        "tokenize": arguments.tokenize,
        "lowercase": arguments.lowercase,
    }
    resampling = options | {"resamples": arguments.resamples, "seed": arguments.resampling_seed or SEED}
    if arguments.significance:
        tested = {"test": arguments.significance, "confidence": arguments.confidence}
        return resampled_scores(systems, *references, **resampling, **tested)
    if arguments.confidence:
        return [resampled_scores([lines], *references, **resampling)[0] for lines in systems]
    return [corpus_scores(lines, *references, **options) for lines in systems]


def _with_comparison(arguments: argparse.Namespace, report: Report, *, any_tested: bool) -> Report:
    from nmt.metrics.significance import RESAMPLES, SEED, over_seeds

    if arguments.seeds:
        names = report.scores[0].metrics
        spreads = {name: over_seeds([scores.metrics[name].score for scores in report.scores]) for name in names}
        return report._replace(spreads=spreads)
    if arguments.significance and any_tested:
        resamples = arguments.resamples or RESAMPLES[arguments.significance]
        return report._replace(
            comparison=Comparison(arguments.significance, resamples, arguments.resampling_seed or SEED)
        )
    return report


# --- sentence by sentence


def _sentence_scores(
    arguments: argparse.Namespace, systems: Sequence[System], references: Sequence[list[str]]
) -> "list[list[SentenceScore]]":
    """Of each system, if anything asks for them."""
    if not arguments.worst and arguments.sentence_scores is None:
        return []
    from nmt.metrics.bleu import sentence_scores

    options: dict[str, Any] = {"tokenize": arguments.tokenize, "lowercase": arguments.lowercase}
    ter = "ter" in arguments.metrics and arguments.sentence_scores is not None
    return [sentence_scores(system.hypotheses, *references, ter=ter, **options) for system in systems]


def _sentence_table(systems: Sequence[System], scores: "Sequence[Sequence[SentenceScore]]") -> str:
    """A row a line with its number, after the system's name if there are several."""
    names = ["bleu", "chrf", *(["ter"] if scores[0][0].ter is not None else [])]
    several = len(systems) > 1
    rows = ["\t".join([*(["system"] if several else []), "line", *names])]
    for system, lines in zip(systems, scores, strict=True):
        place = [" ".join(system.name.split())] if several else []
        for number, score in enumerate(lines, start=1):
            rows.append("\t".join([*place, str(number), *(f"{getattr(score, name):.2f}" for name in names)]))
    return "".join(f"{row}\n" for row in rows)


def _worst(
    arguments: argparse.Namespace,
    systems: Sequence[System],
    scores: "Sequence[Sequence[SentenceScore]]",
    references: Sequence[list[str]],
    sources: list[str] | None,
) -> list[BadSentence]:
    """The worst sentences of each system; their file is written."""
    if not arguments.worst:
        return []
    texts: dict[str, Sequence[str]] = {} if sources is None else {"source": sources}
    for number, lines in enumerate(references, start=1):
        texts["reference" if len(references) == 1 else f"reference {number}"] = lines
    by = arguments.worst_by or WORST_BY[0]
    found = [
        one
        for system, lines in zip(systems, scores, strict=True)
        for one in worst_sentences(
            system.name, lines, by=by, count=arguments.worst, texts=texts | {"hypothesis": system.hypotheses}
        )
    ]
    if arguments.worst_file is not None:
        atomic_write(arguments.worst_file, worst_file(found, arguments.worst_file, metric=_worst_metric(arguments)))
    return found


def _worst_metric(arguments: argparse.Namespace) -> str:
    from nmt.metrics.bleu import NAMES

    return NAMES[arguments.worst_by or WORST_BY[0]]


main = guarded(run)
