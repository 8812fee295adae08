"""What several probes share: reading outputs, the measured epoch, the decomposition of the loss."""
