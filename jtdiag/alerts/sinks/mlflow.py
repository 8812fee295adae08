"""Alerts in MLflow: a tag for each rule, and its number as a metric."""

import os
from collections import defaultdict
from pathlib import Path

from jtdiag.alerts.contract import needed
from jtdiag.errors import AlertError
from jtdiag.probing.findings import Finding

TAG_LENGTH = 5000
"""Characters that MLflow promises to keep of a tag."""


class MLflow:
    """Marks a run of MLflow that is there already: the active one, or that of MLFLOW_RUN_ID.

    The tag ``jtdiag.<rule>`` holds the newest sentence for every λ, a line each; the metric
    ``jtdiag.<rule>.lam<λ>`` the numbers, with the epoch as step.
    """

    name = "MLflow"

    def __init__(self) -> None:
        module = needed("mlflow", "mlflow", "--mlflow")
        # Asked here: in MLflow a run is active in the thread that has started it.
        active = module.active_run()
        run_id = active.info.run_id if active else os.environ.get("MLFLOW_RUN_ID")
        if not run_id:
            raise AlertError(
                "--mlflow finds no run of MLflow; set MLFLOW_RUN_ID to the id of one, and "
                "MLFLOW_TRACKING_URI to where it is kept."
            )
        self._client, self._run_id = module.MlflowClient(), run_id
        self._sentences: dict[str, dict[float | None, str]] = defaultdict(dict)

    def send(self, run: Path | str, finding: Finding) -> None:
        """Set the tag, and log the number."""
        sentences = self._sentences[finding.rule]
        sentences[finding.lam] = finding.sentence
        key = f"jtdiag.{finding.rule}"
        self._client.set_tag(self._run_id, key, "\n".join(sentences.values())[:TAG_LENGTH])
        lam = "" if finding.lam is None else f".lam{finding.lam:g}"
        self._client.log_metric(self._run_id, f"{key}{lam}", finding.number, step=finding.epoch)

    def close(self) -> None:
        """Do nothing: whoever has begun the run ends it."""
