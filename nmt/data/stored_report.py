"""The report of cleaning, beside the pairs it speaks of: written once, read with what tokenising left of them.

Sources have a file of their own, which earlier versions neither wrote nor read.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from nmt.config.data import CorpusSource
from nmt.data.cleaning import EXAMPLES, CleaningReport, Counts
from nmt.data.corpus import EncodedCorpus
from nmt.data.sources import WeightedReader

REPORT_FILE = "report.json"
SOURCES_FILE = "sources.json"  # pairs read of each place

Given = Iterable[tuple[CorpusSource, Sequence[WeightedReader]]]  # each source with the files it stands for


def store_report(report: CleaningReport, directory: Path) -> None:
    """Without the names of files, which may change."""
    read = [counts.read for counts in report.sources.values()]
    for name, content in ((REPORT_FILE, report.to_dict()), (SOURCES_FILE, read)):
        (directory / name).write_text(json.dumps(content), encoding="utf-8")


def stored_report(directory: Path, corpus: EncodedCorpus, given: Given) -> CleaningReport:
    """What was stored, less the pairs that `corpus` leaves out, by the names that files have now."""
    report = CleaningReport.from_dict(json.loads((directory / REPORT_FILE).read_text(encoding="utf-8")))
    for number in range(min(EXAMPLES, corpus.too_long)):
        report.drop("too_many_tokens", corpus.left_out(number))
    report.dropped["too_many_tokens"] = corpus.too_long
    report.kept = len(corpus)
    if (directory / SOURCES_FILE).is_file():
        read = json.loads((directory / SOURCES_FILE).read_text(encoding="utf-8"))
        if len(read) > 1:  # of one alone all is said, and counting would read a word of every pair
            _name_sources(report, given, read, corpus.counts())
    return report


def _name_sources(report: CleaningReport, given: Given, read: Sequence[int], kept: dict[str, int]) -> None:
    """A source of many files is one; a file that is read by other columns, too, is counted once."""
    of_place = {place: Counts(*both) for place, *both in zip(kept, read, kept.values(), strict=True)}
    for source, readers in given:
        for place in dict.fromkeys(reader.place for reader, _ in readers):
            counts = report.sources[place if len(readers) == 1 else source.path]
            one = of_place.pop(place, Counts())
            counts.read += one.read
            counts.kept += one.kept
