"""Datasets of the Hugging Face hub, with an answer within seconds where there is no network.

`datasets` retries an unreachable hub for 23 seconds to minutes. So the hub is asked once, with a limit of two
seconds; where it does not answer, `datasets` is told to be offline, and then finds what its cache holds or fails at
once.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from nmt.data.pairs import HashOf, Origin, Reader, Row
from nmt.data.tables import Columns, row_pair
from nmt.data.text_files import hash_file
from nmt.errors import DataError

PROBE_SECONDS = 2.0


@dataclass(frozen=True)
class HubDataset(Reader):
    """One split of a dataset `owner/name`; `streaming` reads it over the network without storing it."""

    path: str
    subset: str | None
    split: str
    revision: str | None
    columns: Columns
    streaming: bool = False

    @property
    def place(self) -> str:
        return place_of(self.path, self.subset, self.split)

    def fingerprint(self, hash_of: HashOf = hash_file) -> str:
        identity = f"hub {self.path} {self.subset} {self.split} {self.revision} {self.columns}"
        return identity if self.streaming else f"{identity} {self._dataset._fingerprint}"

    def rows(self) -> Iterator[Row]:
        number = 0
        for number, row in enumerate(self._rows(), start=1):
            yield partial(row_pair, row, self.columns, Origin(self.place, number), first=number == 1)
        if number == 0:
            raise DataError(f"{self.place}: is empty; a corpus needs at least one row")

    def _rows(self) -> Iterator[dict[str, Any]]:
        if self.streaming:
            yield from self._dataset
            return
        for batch in self._dataset.iter(1000):
            names = list(batch)
            yield from (dict(zip(names, values, strict=True)) for values in zip(*batch.values(), strict=True))

    @cached_property
    def _dataset(self) -> Any:
        return load_split(
            self.path,
            self.subset,
            split=self.split,
            revision=self.revision,
            streaming=self.streaming,
            instead="--data.train DIR/train for DIR/train.en and DIR/train.de",
        )


def place_of(path: str, subset: str | None, split: str) -> str:
    """What errors and origins call a split."""
    return f"hub:{path}" + (f"/{subset}" if subset else "") + f"[{split}]"


def load_split(
    path: str, subset: str | None, *, split: str, revision: str | None, instead: str, streaming: bool = False
) -> Any:
    """One split as `datasets` loads it. DataError where that fails; `instead` is an example with local files."""
    import datasets

    online = hub_answers()
    try:
        with offline_unless(online):
            return datasets.load_dataset(path, subset, split=split, revision=revision, streaming=streaming)
    except RuntimeError as error:
        if "scripts are no longer supported" not in str(error):
            raise
        raise DataError(
            f"{place_of(path, subset, split)}: is published as a Python script, which `datasets` no longer runs; try "
            'the hub\'s own conversion, revision: "refs/convert/parquet", or download the corpus and give its files'
        ) from error
    except (
        OSError,
        ValueError,
    ) as error:  # ConnectionError and "not found" are OSErrors, an unknown split a ValueError
        raise DataError(_explain(place_of(path, subset, split), error, online, instead)) from error


def _explain(place: str, error: Exception, online: bool, instead: str) -> str:
    detail = " ".join(str(error).split())[:300]
    if online:
        return f"{place}: cannot be loaded from the hub: {detail}"
    if isinstance(error, ValueError):  # found, but not this subset or split of it
        return f"{place}: the hub does not answer, and the local cache has another part of it: {detail}"
    return (
        f"{place}: the hub ({_endpoint()}) does not answer and the dataset is not in the local cache "
        f"({_cache()}); connect (HTTPS_PROXY and HF_ENDPOINT are honoured), copy that cache from a machine that "
        f"has it, or give local files instead, e.g. {instead}"
    )


def hub_answers() -> bool:
    """Whether the hub gives any HTTP answer within two seconds, and nobody has said to stay offline."""
    if any(os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in _OFFLINE_VARIABLES):
        return False
    answered = threading.Event()

    def ask() -> None:
        import urllib.error
        import urllib.request

        try:  # urllib honours the proxy variables
            urllib.request.urlopen(urllib.request.Request(_endpoint(), method="HEAD"), timeout=PROBE_SECONDS).close()
        except urllib.error.HTTPError:
            pass  # an error page is an answer
        except urllib.error.URLError as error:
            if "CERTIFICATE" not in str(error.reason).upper():  # its store may know a certificate that ours does not
                return
        except (OSError, ValueError):
            return
        answered.set()

    # A thread, because looking up a name ignores the time limit.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS + 0.5)
    return answered.is_set()


_OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co")


def _cache() -> str:
    import datasets

    return str(datasets.config.HF_DATASETS_CACHE)


@contextlib.contextmanager
def offline_unless(online: bool) -> Iterator[None]:
    """Inside, `datasets` and `huggingface_hub` do not touch the network (unless `online`).

    The variables are read when the libraries are imported, which may be long past, so their constants are set too.
    """
    if online:
        yield
        return
    import datasets
    import huggingface_hub.constants

    saved = datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = huggingface_hub.constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE = saved
