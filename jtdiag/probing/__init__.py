"""The probe contract, the registry of probes, running them, and their results and findings."""
