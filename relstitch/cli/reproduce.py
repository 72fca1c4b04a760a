"""``relstitch reproduce``: the paper's experiments, our numbers beside the paper's."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from relstitch.cli import options as shared
from relstitch.names import EXPERIMENTS

_Size = Literal["toy", "usual", "full"]


def reproduce(
    name: Annotated[
        str, typer.Argument(help=f"Which experiment: {', '.join(EXPERIMENTS)}; all for every one.")
    ],
    size: Annotated[
        _Size | None,
        typer.Option(
            "--size",
            help="toy (seconds, to try it), usual (minutes on two cores) or full (the paper's sizes and data); "
            "default: usual.",
            show_default=False,
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="The same as --size full.")] = False,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", min=1, help="How many training seeds or anchor draws.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder with more data sets than packages bring.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder for pictures, reports and finished steps; default: relstitch-NAME.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Take over the steps that an earlier run finished.")
    ] = True,
    device: Annotated[str, typer.Option("--device", help="Where networks train: cpu, cuda, cuda:1, mps.")] = "cpu",
    strict: Annotated[
        bool, typer.Option("--strict", help="Leave with exit code 1 if a pattern of the paper does not hold.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The report as Markdown.")] = False,
    json: shared.Json = False,
) -> None:  # fmt: skip
    """Run an experiment of the paper and set our numbers beside the paper's.

    A run that was cut short goes on where it stopped, if it is started again with the same folder, size and version.
    """
    from relstitch.experiments import everything, results
    from relstitch.report import progress, tell

    asked = _asked(name, size, full, seeds, data, device, resume, json, markdown)
    folder = Path(f"relstitch-{name}") if output is None else output
    done: list[everything.Outcome] = []
    pictures: dict[str, Any] = {}

    def ended(outcome: everything.Outcome) -> None:
        pictures[outcome.name] = results.write_outcome(outcome, tell)
        done.append(outcome)
        if name == "all":
            # After each: a run that is cut short has a summary too.
            results.write_summary(done, pictures, folder)

    watching = everything.Watching(tell, lambda label: progress(label, unit="steps"), ended)
    if name == "all":
        outcomes = everything.run_all(EXPERIMENTS, folder, asked, watching)
        tell(f"Summary: {results.write_summary(outcomes, pictures, folder)}")
    else:
        outcomes = (everything.run_experiment(name, folder, asked, watching),)
    _show(outcomes, pictures, folder, json=json, markdown=markdown, whole=name == "all")
    _check(outcomes, strict=strict)


def _asked(
    name: str, size: _Size | None, full: bool, seeds: int | None, data: Path | None, device: str, resume: bool,
    json: bool, markdown: bool,
) -> Any:  # fmt: skip
    """What was asked for, refused before anything is computed if it cannot be."""
    from relstitch.cli.reading import check_one_form
    from relstitch.errors import UsageError
    from relstitch.experiments.everything import Asked

    check_one_form(json=json, markdown=markdown)
    if name not in (*EXPERIMENTS, "all"):
        raise UsageError(f"There is no experiment {name!r}. Choose one of: {', '.join(EXPERIMENTS)}, all.")
    if full and size not in (None, "full"):
        raise UsageError(f"--full is the same as --size full, and --size {size} was given beside it. Give one.")
    if data is not None and not data.is_dir():
        raise UsageError(f"{data} is not a folder. With --data, give the folder that holds the data sets.")
    if device != "cpu":
        from relstitch.encoders.devices import resolve_device

        device = resolve_device(device)
    return Asked("full" if full else size or "usual", seeds, data, device, resume)


def _show(outcomes: Any, pictures: dict[str, Any], folder: Path, *, json: bool, markdown: bool, whole: bool) -> None:
    from relstitch.experiments.results import summary_markdown
    from relstitch.report import show_json
    from relstitch.report.experiment_table import experiment_markdown, show_experiment

    def files(one: Any) -> list[str]:
        return [str(file) for _title, file in pictures[one.name]]

    reports = [outcome for outcome in outcomes if outcome.report is not None]
    if json:
        values = [{**one.report.to_json(), "pictures": files(one)} for one in reports]
        failed = [{"name": one.name, "problem": one.problem} for one in outcomes if one.report is None]
        show_json({"experiments": values, "failed": failed} if whole else values[0])
    elif markdown and whole:
        typer.echo(summary_markdown(outcomes, pictures, folder), nl=False)
    elif markdown:
        links = [(title, file.as_posix()) for title, file in pictures[outcomes[0].name]]
        typer.echo(experiment_markdown(outcomes[0].report, links), nl=False)
    else:
        for at, one in enumerate(reports):
            show_experiment(one.report, files(one), header=at == 0)


def _check(outcomes: Any, *, strict: bool) -> None:
    """Leave with exit code 1 where an experiment failed or, if that was asked, a pattern does not hold."""
    from relstitch.errors import GateError, counted

    failed = [one for one in outcomes if one.report is None]
    if failed:
        listed = "; ".join(f"{one.name}: {one.problem}" for one in failed)
        raise GateError(f"{counted(len(failed), 'experiment')} failed. {listed}")
    reports = [one.report for one in outcomes]
    lost = [f"{one.name}: {pattern.claim}" for one in reports for pattern in one.patterns if not pattern.held]
    if strict and lost:
        does = counted(len(lost), "pattern of the paper does not hold", "patterns of the paper do not hold")
        raise GateError(f"{does}. {'; '.join(lost)}")
