"""The lines and sentences that commands print, as pure functions of plain values.

Help texts are at their click options and error messages at their ``raise``.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from jtdiag.names import lam_text
from jtdiag.printable import shell_word
from jtdiag.stats import Interval, counted, listed
from jtdiag.store.layout import Size, readable

STATES = {"silent": "stalled", "dead": "exited"}
"""How the watch displays a run's state where the word differs from the one in JSON."""

EXITED_EARLY = "training process exited early"
SAME_RECIPES = "The recipes do not differ in any field that affects the results."
RECIPES = "Recipes"
TEST_RESULTS = "Results on the test split"
CTRL_C = "Ctrl-C stops watching; training continues"

# --- numbers -------------------------------------------------------------------------------------


def percent(error: float) -> str:
    """Return a fraction in percent, at most 7 characters wide; "-" if it is not finite."""
    if not math.isfinite(error):
        return "-"
    if error >= 99.995:
        return ">9999 %"
    return f"{100 * error:.1f} %" if error < 10 else f"{100 * error:.0f} %"


def duration(seconds: float) -> str:
    """Return "50 s", "12 min" or "3 h"."""
    value, unit = _scaled(seconds)
    return f"{value:.0f} {unit}"


def short_duration(seconds: float) -> str:
    """Return "50s", "12m" or "3h", for a narrow column."""
    value, unit = _scaled(seconds)
    return f"{value:.0f}{unit[0]}"


def _scaled(seconds: float) -> tuple[float, str]:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return seconds / size, unit
    return seconds, "s"


def _three_digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


# --- training ------------------------------------------------------------------------------------


def grid(lambdas: int, trials: int) -> str:
    """Return "3 values of λ × 2 trials"."""
    return f"{counted(lambdas, 'value')} of λ × {counted(trials, 'trial')}"


def plan(
    name: str, *, lambdas: int, trials: int, epochs: int, members: int, parameters: int
) -> str:
    """Return what a run trains."""
    lanes = f"{counted(lambdas * trials, 'lane')} ({grid(lambdas, trials)})"
    each = counted(epochs, "epoch")
    size = f"{counted(members, 'member')}, {counted(parameters, 'parameter')} in total"
    return f"{name}: {lanes}, {each} each; {size}."


def scheme(name: str, bootstrap: str) -> str:
    """Return a training scheme other than joint training, and how bootstrap samples are drawn."""
    return f"{name}, bootstrap by {bootstrap}" if name == "bagging" else name


def device(name: str, threads: str, ranks: str = "1") -> str:
    """Return the device, and its number of CPU threads, of one process or of each of several."""
    of_ranks = "" if ranks == "1" else f"{ranks} ranks with "
    return f"{name}, {of_ranks}{threads} {'thread' if threads == '1' else 'threads'}"


def lanes_at_a_time(count: str) -> str:
    """Return how many lanes are trained at a time."""
    return f"{count} {'lane' if count == '1' else 'lanes'} at a time"


def execution(plan: str, products: str, members: str, *, channels_last: bool, reason: str) -> str:
    """Return the execution plan of the members, and the timings that it was selected by."""
    layout = ", channels last" if channels_last else ""
    noun = "member" if members == "1" else "members"
    timings = f"; {reason}" if reason else ""
    return f"{plan}, {products}{layout}, {members} {noun} at a time{timings}"


def disk_space(path: Path, size: Size) -> str:
    """Return how much disk space a run takes."""
    parts = f"outputs {readable(size.outputs)}, checkpoints {readable(size.checkpoints)}"
    other = readable(size.metrics + size.resuming)
    return f"Disk space for {path}: {readable(size.total)} ({parts}, other {other})."


def epoch(lam: float, trial: int, epoch: int, loss: float, split: str, error: float) -> str:
    """Return the loss and the ensemble's error after an epoch of a lane."""
    loss_text = f"loss {loss:.4f}" if math.isfinite(loss) else "loss not finite"
    error_text = f"{100 * error:.2f} %" if math.isfinite(error) else "not finite"
    return f"{lane(lam, trial)}, epoch {epoch}: {loss_text}, {split} error {error_text}"


def lane(lam: float, trial: int) -> str:
    """Return "λ = 0.9, trial 2"."""
    return f"λ = {lam_text(lam)}, trial {trial}"


def module(name: str) -> str:
    """Return which module an epoch trained; follows an epoch."""
    return f" (training {name})"


def stopped(rule: str) -> str:
    """Return that a rule stopped a lane; follows an epoch."""
    return f"; lane stopped by rule {rule}"


def lowered(lam: float, rule: str) -> str:
    """Return that a rule lowered λ; follows an epoch."""
    return f"; λ lowered to {lam_text(lam)} by rule {rule}"


def progress(done: int, total: int, line: str, seconds_left: float | None) -> str:
    """Return an epoch's line with the number of epochs trained and the time left."""
    left = "starting" if seconds_left is None else f"{seconds_left:.0f} s left"
    return f"[{done}/{total}] {line}; {left}"


def lanes_done(done: int, total: int, size: int) -> str:
    """Return how many lanes are done and how much the run takes on disk."""
    return f"{done} of {counted(total, 'lane')} done · {readable(size)} on disk"


def trained(out: Path | str, peak: int | None) -> str:
    """Return that training has finished.

    Args:
        out: Folder or address of the run.
        peak: Peak memory in bytes; None if other processes have trained.
    """
    memory = "" if peak is None else f" (peak memory {readable(peak)})"
    return f"Training finished: {out}{memory}."


def imported(out: Path, members: int, epochs: int, examples: Mapping[str, int]) -> str:
    """Return what was imported, and what is unknown of it.

    Args:
        out: Folder of the run.
        members: Number of members.
        epochs: Number of epochs of training.
        examples: Number of examples by split, of those with stored outputs.
    """
    splits = listed([f"{count:,} examples of {split}" for split, count in examples.items()])
    known = f"{counted(members, 'member')}, {counted(epochs, 'epoch')}, {splits}"
    return f"Wrote {out}: {known}. Unknown: data, architecture, optimizer, and weights."


def answer_incomplete(reason: str) -> str:
    """Return why not every cheap probe has been run on a run that is trained."""
    return f"The answer is incomplete. {reason}"


def part_trained(out: Path | str, part: str, done: int, lanes: int, peak: int) -> str:
    """Return that a part of a run is trained, and how much of the run is.

    Args:
        out: Folder or address of the run.
        part: The part, such as "3/16".
        done: Number of lanes of the run that are complete.
        lanes: Number of all its lanes.
        peak: Peak memory in bytes.
    """
    state = f"{done} of {counted(lanes, 'lane')} of {out} {'is' if done == 1 else 'are'} complete"
    return f"Part {part} finished: {state} (peak memory {readable(peak)})."


def submitted(out: Path, folder: Path, jobs: Sequence[str]) -> str:
    """Return that jobs have been submitted, and what to do next.

    Args:
        out: Folder of the run.
        folder: Folder of the output of the jobs.
        jobs: Their numbers, at least one.
    """
    text = jobs[0] if len(jobs) == 1 else f"{jobs[0]} to {jobs[-1]}"
    return (
        f"Submitted {counted(len(jobs), 'job')}: {text}. Their output: {folder}. "
        f"Next: jtdiag watch {shell_word(out)}"
    )


def merged(out: Path, runs: int, done: int, lanes: int) -> str:
    """Return that runs have been merged, and what to do next.

    Args:
        out: Folder of the merged run.
        runs: Number of runs.
        done: Number of lanes that are complete.
        lanes: Number of all lanes.
    """
    command = f"jtdiag probe {shell_word(out)}"
    if done < lanes:
        command = f"jtdiag train {shell_word(out)} --resume"
    return f"Merged {runs} runs: {done} of {counted(lanes, 'lane')} complete. Next: {command}"


# --- dry run -------------------------------------------------------------------------------------


def members(count: int, each: int) -> str:
    """Return the members and their parameters."""
    return f"{count} × {each:,} parameters, {count * each:,} in total"


def branches(count: int, parameters: int) -> str:
    """Return the branches of a single network and its parameters."""
    noun = "branch" if count == 1 else "branches"
    return f"{count} {noun} of one network with {parameters:,} parameters"


def lanes(lambdas: int, trials: int, at_a_time: str) -> str:
    """Return the number of lanes and how many are trained at a time."""
    return f"{lambdas * trials} ({grid(lambdas, trials)}), {at_a_time} at a time"


def steps(per_lane: int, epochs: int) -> str:
    """Return the number of training steps."""
    return f"{per_lane:,} per lane, {counted(epochs, 'epoch')}"


def store(size: Size) -> str:
    """Return the size of a run on disk."""
    parts = f"outputs {readable(size.outputs)}, checkpoints {readable(size.checkpoints)}"
    return f"{readable(size.total)} ({parts})"


def memory(size: int) -> str:
    """Return the estimated peak memory."""
    return f"about {readable(size)}, including the data"


def training_time(seconds: float, per_step: float) -> str:
    """Return the estimated training time and the time of a step."""
    return f"about {estimated_time(seconds)} ({_three_digits(1000 * per_step)} ms per step)"


def estimated_time(seconds: float) -> str:
    """Return a duration with three digits, such as "1.25 h"."""
    value, unit = _scaled(seconds)
    return f"{_three_digits(value)} {unit}"


def runs_not_begun(runs: Sequence[str]) -> str:
    """Return the runs of a study that have not been trained."""
    return f"Not trained yet: {', '.join(runs)}."


# --- probes, figures, reports --------------------------------------------------------------------


def probe_running(name: str, question: str) -> str:
    """Return that a probe is being evaluated."""
    return f"{name}: running. {question}"


def probe_takes(name: str, seconds: float) -> str:
    """Return roughly how long a probe takes.

    Args:
        name: Name of the probe.
        seconds: Of processor time.
    """
    minutes = max(1, round(seconds / 60))
    hours = round(seconds / 3600)
    amount, unit = (minutes, "minute") if minutes < 120 else (hours, "hour")
    return f"{name}: takes roughly {amount} {unit}{'' if amount == 1 else 's'}."


def probe_up_to_date(name: str, question: str) -> str:
    """Return that a probe's stored result is used."""
    return f"{name}: up to date. {question}"


def probe_not_applicable(name: str, question: str) -> str:
    """Return that a probe is skipped because it does not apply to the run."""
    return f"{name}: skipped, not applicable to this run. {question}"


def probe_failed(name: str, reason: str) -> str:
    """Return that a probe ended with an error, and why."""
    return f"{name}: failed. {reason}"


def probes_failed(names: Sequence[str], total: int) -> str:
    """Return which probes failed; the results of the others are stored."""
    return (
        f"{len(names)} of {counted(total, 'probe')} failed: {', '.join(names)}. The reasons are "
        "above; results of the others are stored."
    )


def lanes_used(run: Path, sentence: str, runs: int) -> str:
    """Return which lanes of a run are used or not; its path comes first if there are several."""
    return f"{run}: {sentence}" if runs > 1 else sentence


def probe_progress(name: str, seconds: float, size: int) -> str:
    """Return for how long a probe has been running and how much data it has read."""
    return f"  {name}: {seconds:.0f} s, {readable(size)} read"


def figure_skipped(name: str, reason: str) -> str:
    """Return why a figure was not drawn; the reason is a sentence."""
    return f"{name}: skipped. {reason}"


def figure_without_result(name: str, run: Path, probe: str) -> str:
    """Return that a figure was not drawn because its probe has no result."""
    command = f"jtdiag probe {shell_word(run)} {probe}"
    return f"{name}: skipped, its probe has no result. To draw it: {command}"


def figure_not_applicable(name: str, probe: str) -> str:
    """Return that a figure was not drawn because its probe does not apply to the run."""
    return f"{name}: skipped, its probe {probe} is not applicable to this run."


def figure_outdated(name: str, run: Path, probe: str) -> str:
    """Return that a figure is drawn from an outdated result."""
    command = f"jtdiag probe {shell_word(run)} {probe}"
    return f"{name}: drawn from an outdated result. To update it: {command}"


def probe_missing(probe: str, run: Path, figures: Sequence[str]) -> str:
    """Return that a report lacks a probe's result, and the command that adds it."""
    adds = listed(figures) if figures else "its findings"
    return f"{probe}: no result yet. To add {adds}: jtdiag probe {shell_word(run)} {probe}"


def only_stored_results(run: Path) -> str:
    """Return that no probe is run on a folder that cannot be written."""
    return f"{run} cannot be written: no probe is run, and the report uses the stored results."


def results_outdated(probes: Sequence[str], run: Path) -> str:
    """Return which results of a report are outdated, and the command that updates them."""
    noun = "result" if len(probes) == 1 else "results"
    command = f"jtdiag probe {shell_word(run)} {' '.join(probes)}"
    return f"Outdated {noun}: {listed(probes)}. To update: {command}"


def report_written(path: Path, size: int) -> str:
    """Return where a report was written."""
    return f"Wrote {path} ({size / 1e6:.1f} MB)."


def recipe_written(path: Path) -> str:
    """Return where a recipe was written."""
    return f"Wrote {path}."


def error_table_title() -> str:
    """Return the title of a table of test errors."""
    return "Test error at the epoch chosen on validation (else the last), mean ± SE over trials"


def candidates_title() -> str:
    """Return the title of a table of candidates."""
    return "Validation error, mean ± SE over trials; difference from the recommended candidate"


def difference_in_points(difference: Interval) -> str:
    """Return a difference of errors in percentage points, with its interval if there is one."""
    points = difference.scaled(100)
    if not math.isfinite(points.mean):
        return ""
    ends = f" ({points.low:.2f} to {points.high:.2f})" if points.exists else ""
    return f"{points.mean:+.2f}{ends}".replace("-", "−")


def files(paths: Sequence[Path]) -> str:
    """Return the files of figures, one per line below a heading."""
    return "\n  ".join(["Figure:" if len(paths) == 1 else "Figures:", *map(str, paths)])


def alerts(lams_by_rule: Mapping[str, Sequence[float]]) -> str:
    """Return the alerts by rule, each with its λs; empty if there are none."""
    parts = [
        f"{rule} at λ = {listed([lam_text(lam) for lam in sorted(lams)])}" if lams else rule
        for rule, lams in lams_by_rule.items()
    ]
    return f"Alerts: {'; '.join(parts)}." if parts else ""


def no_rule_fired(skill: float, limit: float) -> str:
    """Return that there are no alerts, and how far from the limit of dominance the run is.

    Args:
        skill: Lowest share of the ensemble's skill that the other members have, over lanes, after
            their last epoch; NaN if it is not measured.
        limit: Limit of the rule dominance.
    """
    if not math.isfinite(skill):
        return "No rule fired."
    return (
        f"No rule fired (lowest median skill of members other than leaders {skill:.2f}, limit "
        f"{limit:g})."
    )


def rules_without_training() -> str:
    """Return why no rule can fire on a run of which only outputs after training are known."""
    return "The early-warning rules need errors in training, which this run does not have."


def more_in_report(findings: int) -> str:
    """Return where to read the findings that are not printed."""
    return f"All {counted(findings, 'finding')}: -v, or the report."


def next_commands(commands: Sequence[str]) -> str:
    """Return the commands to run next, one per line below a heading."""
    return "\n  ".join(["Next:", *commands])


# --- watching ------------------------------------------------------------------------------------


def state(name: str) -> str:
    """Return a state as it is displayed."""
    return STATES.get(name, name)


def run_appeared(state_name: str, lanes: int, epochs: int, members: int) -> str:
    """Return a run's state and size when it is first seen."""
    size = f"{counted(lanes, 'lane')} of {counted(epochs, 'epoch')}"
    named = EXITED_EARLY if state_name == "dead" else state(state_name)
    return f"{named}; {size}, {counted(members, 'member')}"


def epoch_saved(lam: float, trial: int, epoch: int, errors: tuple[float, float] | None) -> str:
    """Return the training errors of ensemble and median member after an epoch of a lane."""
    return f"{lane(lam, trial)}, epoch {epoch}: {_training_error(errors)}"


def _training_error(errors: tuple[float, float] | None) -> str:
    if errors is None:
        return "training error not measured"
    ensemble, median = (percent(e) if math.isfinite(e) else "not finite" for e in errors)
    return f"training error {ensemble} (ensemble), {median} (median member)"


def stalled(seconds: float) -> str:
    """Return that a run has saved no epoch for much longer than usual."""
    return f"no new epoch for {duration(seconds)}; process still running"


def resumed() -> str:
    """Return that a run whose process had exited is training again."""
    return "training resumed"


def ended(*, done: bool) -> str:
    """Return that no more events of a run are expected."""
    return "done" if done else EXITED_EARLY


def removed() -> str:
    """Return that a run's folder was removed."""
    return "folder removed"


def no_runs_yet(folder: Path) -> str:
    """Return that a folder contains no run."""
    return f"No runs in {folder} yet."


def waiting_for_runs(folder: Path) -> str:
    """Return that the watch waits for the first run of a folder."""
    return f"No runs in {folder} yet; waiting."


def stopped_watching() -> str:
    """Return that Ctrl-C ended the watch."""
    return "Stopped watching; training is not affected."


def run_header(lanes: tuple[int, int], epochs: tuple[int, int]) -> str:
    """Return how many lanes and epochs of a run are done, each of how many."""
    done, total = lanes
    trained_epochs, all_epochs = epochs
    return f"{done}/{counted(total, 'lane')}  {trained_epochs}/{counted(all_epochs, 'epoch')}"


def folder_header(states: Sequence[str], order: Sequence[str]) -> str:
    """Return how many runs of a folder are in which state."""
    count = counted(len(states), "run")
    kinds = ", ".join(f"{states.count(kind)} {kind}" for kind in order if kind in states)
    return f"{count}: {kinds}" if states else count


def with_alerts(count: int) -> str:
    """Return how many runs have alerts."""
    return f"{count} with alerts" if count else ""


def more_lanes(states: Sequence[str]) -> str:
    """Return how many lanes do not fit the screen, by state."""
    kinds = ", ".join(f"{states.count(kind)} {kind}" for kind in dict.fromkeys(states))
    return f"… {counted(len(states), 'more lane')}: {kinds}"


def more_runs(count: int, alerts: int) -> str:
    """Return how many runs do not fit the screen, and how many of them have alerts."""
    return f"… {counted(count, 'more run')}" + (f", {with_alerts(alerts)}" if alerts else "")


def more_findings(count: int) -> str:
    """Return how many findings do not fit the screen."""
    return f"… {counted(count, 'more finding')}"


# --- check ---------------------------------------------------------------------------------------


def damage(place: str, reason: str) -> str:
    """Return what is damaged and why."""
    return f"{place}: {reason}" if place else reason


def checked(path: str, *, parts: int, results: int, damages: int, by_place: bool) -> str:
    """Return how much of a run was checked, and how much of it is damaged.

    Args:
        path: The run's folder.
        parts: Parts of the store that were read.
        results: Stored results.
        damages: Parts that are damaged.
        by_place: Whether chunks were compared with checksums recorded by path.
    """
    extent = f"{counted(parts, 'part')} of the store and {counted(results, 'result')}"
    older = (
        ""
        if by_place
        else (" The run is of an older version: exchanged chunks cannot be detected.")
    )
    if damages == 0:
        return f"{path}: {extent} checked, no damage.{older}"
    return f"{path}: {extent} checked, {damages} damaged.{older}"
