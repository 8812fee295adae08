"""Interrupt jtdiag at random moments, let it go on, and compare what results.

Each trial trains, probes, reports, repairs, runs a study or records a small run, and is interrupted
by SIGKILL, or by SIGTERM or SIGINT, once or several times: before a random change of a file, or
after a random time. After each interruption whatever is sealed is verified. In the end the work is
done again without interruption, and all files must be those of an undisturbed run: every array bit
for bit, coordinates and seals included, apart from dates and machine settings. Nothing may be left
behind: no drafts, no state, no unsealed chunks, no processes.

    python benchmarks/kills.py                    all 200 trials, in 31 minutes on 2 busy cores
    python benchmarks/kills.py --count 20
    python benchmarks/kills.py --only conv        cases whose name contains "conv"
    python benchmarks/kills.py --first 117 --count 1    one trial again

Importing torch takes longer than these runs. So this process imports it once, and the work is done
in forks of it, which are killed; every tenth trial starts a new Python instead. Temporary files are
in TMPDIR; in memory (/dev/shm) flushing them costs nothing. The exit status is 0 if every trial
ends well. `--keep` keeps the folders of the trials that do not.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import kill_cases
import kill_compare
import kill_process
from kill_cases import Case
from kill_process import Ended, Interruption

SIGNALS = {signal.SIGKILL: 0.75, signal.SIGTERM: 0.15, signal.SIGINT: 0.1}
TIMES = (1, 1, 1, 2, 2, 3, 4)
"""How often a trial is interrupted, with equal probability."""
NEW_PROCESS = 10
"""Every so many trials, a new Python is interrupted."""
LIMIT = 120.0
"""Seconds that one piece of work may take without interruption."""


@dataclass(frozen=True)
class Undisturbed:
    """The outcome of a case that was not interrupted."""

    folder: Path
    seconds: float
    changes: int


class Failed(Exception):  # noqa: N818 - it is an outcome
    """What is wrong after a trial."""


def main() -> int:
    """Run the trials and print the count; return the exit status."""
    arguments = _arguments()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    every = [case for case in kill_cases.cases() if arguments.only in case.name]
    work = Path(tempfile.mkdtemp(prefix="kills-"))
    references = _references(every, work)
    numbers = range(arguments.first, arguments.first + arguments.count)
    survived, signals, start = 0, 0, time.monotonic()
    for number in numbers:
        case = every[number % len(every)]
        folder = work / f"trial-{number}"
        kept = arguments.keep
        trial = Trial(
            case, folder, references[case.name], random.Random(f"{arguments.seed}:{number}")
        )
        try:
            trial.run(new_process=number % NEW_PROCESS == NEW_PROCESS - 1)
            survived, kept = survived + 1, False
        except Failed as failure:
            print(f"trial {number}, {case.name}: {'; '.join(map(str, trial.interruptions))}")
            print(f"  {failure}", flush=True)
        signals += len(trial.interruptions)
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
    print(
        f"{survived} of {len(numbers)} survived with identical files; {signals} interruptions, "
        f"{len(every)} configurations, {time.monotonic() - start:.0f} s."
    )
    if arguments.keep:
        print(work)
    else:
        shutil.rmtree(work)
    return 0 if survived == len(numbers) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", action="store_true")
    return parser.parse_args()


def _references(every: list[Case], work: Path) -> dict[str, Undisturbed]:
    """Do the work of every case twice without interruption; the first time imports modules."""
    trained = work / "trained"
    kill_cases.train_first(trained)
    _undisturbed(kill_cases.cases()[0].work, trained)
    references = {}
    for index, case in enumerate(every):
        folder = work / f"reference-{index}"
        case.prepare(folder)
        kill_process.preload(_undisturbed(case.work, folder).modules)
        again = folder.with_name(f"again-{index}")
        case.prepare(again)
        ended = _undisturbed(case.work, again)
        _require_same(folder, again)
        shutil.rmtree(again)
        references[case.name] = Undisturbed(folder, ended.seconds, ended.changes)
        print(f"{case.name}: {ended.seconds:.2f} s, {ended.changes} changes of files", flush=True)
    return references


def _undisturbed(work: object, folder: Path) -> Ended:
    ended = kill_process.run(work, folder)  # type: ignore[arg-type]
    if ended.status or "Traceback" in ended.output:
        raise Failed(f"{folder}: status {ended.status}:\n{ended.output}")
    return ended


def _require_same(expected: Path, actual: Path) -> None:
    from_fork = kill_process.run(lambda: kill_compare.differences(expected, actual), actual)
    if from_fork.status:
        raise Failed(from_fork.output)
    if from_fork.answer:
        raise Failed("\n  ".join(from_fork.answer[:10]))


class Trial:
    """One case with its interruptions."""

    def __init__(
        self, case: Case, folder: Path, reference: Undisturbed, chance: random.Random
    ) -> None:
        self.interruptions: list[Interruption] = []
        self._case, self._folder, self._reference, self._random = case, folder, reference, chance

    def run(self, *, new_process: bool) -> None:
        """Interrupt the work, finish it and compare.

        Raises:
            Failed: saying what is wrong.
        """
        self._case.prepare(self._folder)
        planned = self._random.choice(TIMES)
        while len(self.interruptions) < planned:
            if new_process and self._case.command:
                self._interrupt_new_process()
            elif not self._interrupt():
                break
            self._check_between()
        _undisturbed(self._case.work, self._folder)
        _require_same(self._reference.folder, self._folder)

    def _interrupt(self) -> bool:
        """Interrupt the work in a fork; return whether there was something to interrupt."""
        drawn = self._draw()
        ended = kill_process.run(self._case.work, self._folder, drawn)
        if ended.status == 0 and not self.interruptions:  # it had ended before: once more, earlier
            shutil.rmtree(self._folder)
            self._case.prepare(self._folder)
            return True
        if ended.status == 0:
            return False
        self.interruptions.append(drawn)
        self._check_end(drawn, ended.status, ended.output)
        return True

    def _draw(self) -> Interruption:
        [number] = self._random.choices([*SIGNALS], [*SIGNALS.values()])
        remaining = 1.0 if not self.interruptions else 0.5
        twice = number != signal.SIGKILL and self._random.random() < 0.3
        if self._random.random() < 0.6:
            last = max(1, int(remaining * self._reference.changes))
            return Interruption(number, change=self._random.randint(1, last), repeated=twice)
        seconds = self._random.uniform(0.001, remaining * self._reference.seconds)
        return Interruption(number, seconds=seconds, repeated=twice)

    def _interrupt_new_process(self) -> None:
        """Interrupt a process that is no fork, of which a good part is its start."""
        drawn = Interruption(signal.SIGKILL, seconds=self._random.uniform(0.1, 4.0))
        environment = os.environ | {
            kill_process.MARK: str(self._folder),
            "XDG_STATE_HOME": str(self._folder / "home"),
            "OMP_NUM_THREADS": "1",
        }
        program = "import sys; from jtdiag.commands import main; main(prog_name='jtdiag')"
        command = [sys.executable, "-c", program, *self._case.command]
        with subprocess.Popen(
            command,
            cwd=self._folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            time.sleep(drawn.seconds)
            process.kill()
        self.interruptions.append(drawn)

    def _check_end(self, drawn: Interruption, status: int, output: str) -> None:
        expected = {-drawn.number, 128 + drawn.number, 1 if drawn.number == signal.SIGINT else -9}
        if status not in expected:
            raise Failed(f"the interrupted process ended with status {status}:\n{output}")
        if self._case.command and "Traceback" in output:  # a loop of one's own has one
            raise Failed(f"the interrupted process ended with a traceback:\n{output}")

    def _check_between(self) -> None:
        """Verify what is sealed, and that the dead process has left no other one."""
        ended = kill_process.run(self._problems, self._folder)
        if ended.status or ended.answer:
            raise Failed("\n  ".join(ended.answer or [ended.output]))
        running = kill_process.left_running(self._folder)
        if running:
            raise Failed(f"still running: {'; '.join(running)}")

    def _problems(self) -> list[str]:
        if not self._case.intact:
            return []
        return kill_compare.without_results(kill_compare.problems(self._folder))


if __name__ == "__main__":
    sys.exit(main())
