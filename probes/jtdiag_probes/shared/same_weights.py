"""Tell whether the members of two lanes or epochs have the same weights."""

import hashlib

from jtdiag.replay import Replay


def weights_key(replay: Replay) -> str:
    """Return a hash of the members' weights."""
    digest = hashlib.sha256()
    for name, weight in sorted(replay.weights.items()):
        digest.update(name.encode() + weight.contiguous().numpy().tobytes())
    return digest.hexdigest()
