"""Alerts in MLflow: a tag for each rule, and its number as a metric."""

import os
from collections import defaultdict
from pathlib import Path

from jtdiag.alerts.contract import SinkType, import_optional
from jtdiag.errors import AlertError
from jtdiag.names import lam_text
from jtdiag.probing.findings import Finding

TAG_LENGTH = 5000
"""Maximum length of a tag in MLflow, in characters."""


class MLflow:
    """Logs alerts to an existing MLflow run: the active one, or the one in MLFLOW_RUN_ID.

    The tag ``jtdiag.<rule>`` contains the latest sentence for each λ, one per line; the metric
    ``jtdiag.<rule>.lam<λ>`` contains the numbers, with the epoch as step.
    """

    name = "MLflow"

    def __init__(self) -> None:
        module = import_optional("mlflow", "mlflow", "--mlflow")
        # Here, not in send: an MLflow run is active only in the thread that started it.
        active = module.active_run()
        run_id = active.info.run_id if active else os.environ.get("MLFLOW_RUN_ID")
        if not run_id:
            raise AlertError(
                "--mlflow needs an MLflow run; set MLFLOW_RUN_ID to its ID, and "
                "MLFLOW_TRACKING_URI to its tracking server or folder."
            )
        self._client, self._run_id = module.MlflowClient(), run_id
        self._sentences: dict[str, dict[float | None, str]] = defaultdict(dict)

    def send(self, run: Path | str, finding: Finding) -> None:
        """Set the tag and log the number."""
        sentences = self._sentences[finding.rule]
        sentences[finding.lam] = finding.sentence
        key = f"jtdiag.{finding.rule}"
        self._client.set_tag(self._run_id, key, "\n".join(sentences.values())[:TAG_LENGTH])
        lam = "" if finding.lam is None else f".lam{lam_text(finding.lam)}"
        self._client.log_metric(self._run_id, f"{key}{lam}", finding.number, step=finding.epoch)

    def close(self) -> None:
        """Do nothing; the run is ended by the program that started it."""


SINK = SinkType(name="mlflow", make=lambda argument: MLflow(), option="--mlflow")
