"""Which job this is, and what is said when SLURM will not run it again."""

import logging
from pathlib import Path

import pytest

from nmt.training.ending.slurm import job_id, requeue


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "7"}, "7"),
        ({"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "interactive"}, None),
        ({"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "2"}, "5_2"),
    ],
)
def test_a_job_is_known_by_its_number(variables: dict[str, str], expected: str | None) -> None:
    assert job_id(variables) == expected


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo no such job >&2; exit 1", "no such job"),
        (r"printf 'Auftrag \377 gibt es nicht' >&2; exit 1", "gibt es nicht"),  # what is not UTF-8 ended the run
        (None, "scontrol"),
    ],
)
def test_a_job_that_cannot_be_queued_again_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    script: str | None,
    reason: str,
) -> None:
    if script is not None:
        (tmp_path / "scontrol").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_NAME", "train")
    with caplog.at_level(logging.WARNING):
        requeue()
    assert "job 7 could not be queued again" in caplog.text and reason in caplog.text
