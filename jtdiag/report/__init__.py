"""The report: the results of one run or several as one self-contained HTML page.

`evidence` gathers results and findings from disk; `answer` chooses the findings that answer the
main questions; `picture` and `alt_text` embed figures; `tables` and `several_runs` make tables;
`page` puts them in order. The report judges nothing: every conclusion is a finding of a probe.

The package has the name of the public function `jtdiag.report`, so it can be called as that one.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class _Report(ModuleType):
    """A package that is also the function `jtdiag.report.writing.report`."""

    def __call__(self, *runs: Any, **options: Any) -> Path:
        """Write an HTML report of one run or several, and return its path."""
        from jtdiag.report.writing import report

        return report(*runs, **options)


sys.modules[__name__].__class__ = _Report
