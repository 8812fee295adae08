"""Linear algebra that several probes share: Lanczos, spectral densities, Hessian products."""
