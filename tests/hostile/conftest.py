"""The cases lie beside their test, in one module for each kind of input."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
