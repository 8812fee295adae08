"""The former name of `jtdiag.engine.datasets`, for scripts that were written for it."""

from jtdiag.engine.datasets import SOURCES, Arrays, DataSource, channel_moments, load

__all__ = ["SOURCES", "Arrays", "DataSource", "channel_moments", "load"]
