"""The engine: trains a recipe in torch and writes the run.

Torch is also used in `jtdiag.families`, `jtdiag.replay`, `jtdiag.monitor` and
`jtdiag.integrations`; the monitor also writes runs, recorded from a user's training loop.
"""
