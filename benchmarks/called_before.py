"""A pytest plugin for `mutants.py`: tests by name, and the functions that are called before them.

mutmut tries a change with the tests during which the changed function was called. Many modules of
tests call functions while they are imported, in the arguments of `parametrize`, and fixtures of a
module or session call them once, during the first test that asks for them. mutmut would count these
calls for the first test alone; with this plugin they count for every test that uses what they
returned.

mutmut asks for tests by name, and takes an answer that there are none for an error of its own. So
names do not contain the values of parameters, which a change may change too, and a module of tests
that cannot be imported counts as a test that fails.
"""

from collections.abc import Generator
from typing import Any

import pytest
from mutmut.state import state

_importing: dict[str, set[str]] = {}
"""Functions that were called while a module of tests was imported, by its node ID."""
_setting_up: dict[object, set[str]] = {}
"""Functions that were called while a fixture was set up."""


def pytest_make_parametrize_id(argname: str) -> str:
    """Return a name to which pytest adds numbers."""
    return argname


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Note what is called while a module is imported; end if it cannot be."""
    state()._stats.clear()
    report = yield
    if report.failed:
        pytest.exit(f"{collector.nodeid}: {report.longrepr}", returncode=1)
    _importing[collector.nodeid] = set(state()._stats)
    state()._stats.clear()
    return report


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
    """Note what is called while a fixture is set up that other tests use too."""
    before = set(state()._stats)
    state()._stats.clear()
    try:
        return (yield)
    finally:
        if fixturedef.scope != "function":
            _setting_up[fixturedef] = set(state()._stats)
        state()._stats.update(before)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Count all of it for the test, before mutmut reads what was called."""
    for node in item.listchain():
        state()._stats.update(_importing.get(node.nodeid, ()))
    for fixturedefs in item._fixtureinfo.name2fixturedefs.values():  # type: ignore[attr-defined]
        for fixturedef in fixturedefs:
            state()._stats.update(_setting_up.get(fixturedef, ()))
