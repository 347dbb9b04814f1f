"""The workflows of continuous integration: what each of them must have, and must never do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).parents[3]
FOLDER = REPOSITORY / ".github" / "workflows"
Yaml = dict[str, Any]

OFFICIAL = re.compile(r"actions/[a-z-]+@v\d+")
OWN = re.compile(r"\./(?P<path>\.github/workflows/[a-z0-9-]+\.yml)")
#: What somebody from outside can write may be in no script: a shell would run it.
FROM_OUTSIDE = re.compile(r"\$\{\{[^}]*\b(github\.(head_ref|ref|ref_name|event\.)|inputs\.)")
#: A command, perhaps with variables before it.
MAKE = re.compile(r"^(?:\w+=\S+ )*make ([a-z0-9-]+)", re.MULTILINE)
#: Commands that have no place there: for people at a keyboard, and for who has a Windows ISO.
NOT_RUN = {"help", "format", "clean", "shell", "windows-image", "windows-check"}
READ_ONLY = {"contents": "read"}
MAY_WRITE = {("release", "publish"): {"contents": "write"}}


def triggers(workflow: Yaml) -> Yaml:
    """What starts it. YAML 1.1, which PyYAML reads, takes the word `on` for a truth value."""
    found = {str(key): value for key, value in workflow.items()}["True"]
    return dict(found)


def jobs() -> Iterator[tuple[str, str, Yaml]]:
    for name, workflow in WORKFLOWS.items():
        for job_name, job in workflow["jobs"].items():
            yield name, job_name, job


def steps() -> Iterator[tuple[str, Yaml, Yaml]]:
    """Every step: where it is, its job, itself."""
    for name, job_name, job in jobs():
        for number, step in enumerate(job.get("steps", [])):
            title = step.get("name") or step.get("uses") or number
            yield f"{name}, {job_name}: {title}", job, step


def scripts() -> Iterator[tuple[str, str]]:
    for where, _, step in steps():
        if "run" in step:
            yield where, step["run"]


WORKFLOWS: dict[str, Yaml] = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yml"))
}


def test_they_are_there() -> None:
    assert {"e2e", "release", "test", "windows-exe"} == set(WORKFLOWS)
    assert len(list(jobs())) >= 9
    assert len(list(scripts())) >= 20


def test_every_job_that_has_steps_has_a_deadline() -> None:
    for name, job_name, job in jobs():
        if "uses" not in job:  # the workflow that is called has its own
            assert 0 < job["timeout-minutes"] <= 150, f"{name}, {job_name}"


def test_every_script_has_a_deadline_within_its_job() -> None:
    for where, job, step in steps():
        if "run" in step:
            assert 0 < step.get("timeout-minutes", 0) < job["timeout-minutes"], where


def test_every_step_in_a_vm_has_a_deadline() -> None:
    for step in WORKFLOWS["e2e"]["jobs"]["e2e"]["steps"]:
        assert step.get("timeout-minutes"), step


@pytest.mark.parametrize("name", WORKFLOWS)
def test_permission_to_write_is_for_the_one_job_that_needs_it(name: str) -> None:
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] == READ_ONLY
    for job_name, job in workflow["jobs"].items():
        assert job.get("permissions") == MAY_WRITE.get((name, job_name)), job_name


def test_nobody_elses_code_runs_but_official_actions() -> None:
    for where, _, step in steps():
        if "uses" in step:
            assert OFFICIAL.fullmatch(step["uses"]), f"{where}: {step['uses']}"


def test_workflows_that_are_called_exist() -> None:
    called = [job["uses"] for _, _, job in jobs() if "uses" in job]
    assert called
    for name in called:
        match = OWN.fullmatch(name)
        assert match, name
        path = REPOSITORY / match["path"]
        assert path.is_file(), name
        assert "workflow_call" in triggers(WORKFLOWS[path.stem])


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_strangers_code_never_meets_a_runner_of_ones_own(name: str) -> None:
    started_by = set(triggers(WORKFLOWS[name]))
    assert "pull_request_target" not in started_by
    runners = [job.get("runs-on", "") for job in WORKFLOWS[name]["jobs"].values()]
    if any("self-hosted" in runner for runner in runners):
        assert started_by <= {"push", "schedule", "workflow_dispatch"}


def test_the_runner_with_vms_is_one_with_kvm() -> None:
    assert WORKFLOWS["e2e"]["jobs"]["e2e"]["runs-on"] == ["self-hosted", "linux", "kvm"]


def test_credentials_do_not_stay_in_a_checkout() -> None:
    for where, _, step in steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False, where


def test_no_script_has_text_from_outside_in_it() -> None:
    for where, script in scripts():
        assert not FROM_OUTSIDE.search(script), where


def test_every_make_target_is_in_the_makefile() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    rules = re.findall(r"^([a-z][a-z0-9 -]*):(?!=)", makefile, re.MULTILINE)
    targets = {target for rule in rules for target in rule.split()}
    named = {name for _, script in scripts() for name in re.findall(MAKE, script)}
    assert {"test", "e2e", "guest-exe"} <= named
    assert named <= targets


def test_every_command_of_the_project_is_run_somewhere() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    commands = set(re.findall(r"^([a-z][a-z0-9-]*):.* ## ", makefile, re.MULTILINE))
    needs = dict(re.findall(r"^([a-z][a-z0-9-]*):([^=#\n]*)", makefile, re.MULTILINE))
    named = {name for _, script in scripts() for name in re.findall(MAKE, script)}
    run = named | {part for name in named for part in needs[name].split()}
    assert commands - run == NOT_RUN


def test_every_path_that_is_named_exists() -> None:
    named = {
        path
        for _, script in scripts()
        for path in re.findall(r"(?<![\w/])(?:\.github|tests|harness)/[\w./-]+", script)
    }
    assert {"tests/unit", "tests/windows", ".github/preflight"} <= named
    for path in named:
        assert (REPOSITORY / path).exists(), path


def test_what_fails_leaves_its_logs() -> None:
    for name, job_name, job in jobs():
        own_steps = job.get("steps", [])
        ran = " ".join(step.get("run", "") for step in own_steps)
        if re.search(r"pytest|make (test|e2e|hostile|soak)|service", ran):
            kept = [step for step in own_steps if "upload-artifact" in step.get("uses", "")]
            assert any("failure()" in step.get("if", "") for step in kept), f"{name}, {job_name}"
