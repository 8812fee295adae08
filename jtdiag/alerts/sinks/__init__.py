"""Sinks: the programs and services that alerts are sent to, one file each."""
