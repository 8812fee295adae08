"""jtdiag train."""

import json
from pathlib import Path

import click

from jtdiag.terminal.alert_options import AlertOptions, alert_options


@click.command()
@click.argument("recipe")
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a field of the recipe, such as train.epochs=3 or 'lam=[0, 0.9]'; repeatable.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The run's folder [default: runs/<name>]."
)
@click.option(
    "--dry-run", is_flag=True, help="Say what would run and what it would take; write nothing."
)
@click.option(
    "--stop-on",
    metavar="RULE",
    multiple=True,
    help="End a lane, sealed and marked, when this rule speaks of it; repeatable. "
    "Sets alerts.stop_on.",
)
@click.option(
    "--lower-lambda",
    metavar="λ",
    help="Go on with this λ when dominance or codependence is found. Sets alerts.lower_lam.",
)
@alert_options
@click.option("--resume", is_flag=True, help="Continue an interrupted run where it was sealed.")
def train(
    recipe: str,
    overrides: tuple[str, ...],
    out: Path | None,
    dry_run: bool,
    stop_on: tuple[str, ...],
    lower_lambda: str | None,
    resume: bool,
    alerts: AlertOptions,
) -> None:
    """Train RECIPE: a TOML file, the name of a preset, or the folder of a run to resume."""
    from jtdiag.alerts.listener import alerting
    from jtdiag.engine.dry_run import estimate, peak_memory
    from jtdiag.engine.train import train as carry_out
    from jtdiag.recipe.presets import find
    from jtdiag.store.layout import readable
    from jtdiag.terminal.training import describe_estimate, display

    found = find(recipe, (*overrides, *_on_alert(stop_on, lower_lambda)))
    if dry_run:
        click.echo(describe_estimate(found, estimate(found)))
        return
    if out is None:
        out = Path(recipe) if resume and Path(recipe).is_dir() else Path("runs") / found.name
    try:
        with (
            alerts.dispatcher() as dispatcher,
            display() as shown,
            alerting(shown, dispatcher) as listener,
        ):
            run = carry_out(found, out, resume=resume, listener=listener)
    except KeyboardInterrupt:
        safe = f"every sealed epoch is safe. Go on with: jtdiag train {out} --resume"
        click.echo(
            f"\nInterrupted; {safe if out.exists() else 'nothing was written yet.'}", err=True
        )
        raise SystemExit(130) from None
    peak = readable(peak_memory(run.settings["device"].split()[0]))
    click.echo(f"Trained {out}, with {peak} of memory at most. Next: jtdiag probe {out}")


def _on_alert(stop_on: tuple[str, ...], lower_lambda: str | None) -> list[str]:
    """Return what the options set in the recipe."""
    changes = [f"alerts.stop_on={json.dumps(stop_on)}"] if stop_on else []
    return [*changes, f"alerts.lower_lam={lower_lambda}"] if lower_lambda else changes
