"""The benchmarks as a table; each file holds one, with every free choice in words or numbers."""

from pruneattr_core.benchmarks.protocols.calibration import CALIBRATION
from pruneattr_core.benchmarks.protocols.circuits import CIRCUITS
from pruneattr_core.benchmarks.protocols.fidelity import FIDELITY
from pruneattr_core.benchmarks.protocols.foreign import QUANTUS
from pruneattr_core.benchmarks.protocols.kind import Benchmark
from pruneattr_core.benchmarks.protocols.localisation import LOCALISATION
from pruneattr_core.benchmarks.protocols.logits import LOGITS
from pruneattr_core.benchmarks.protocols.quality import QUALITY
from pruneattr_core.benchmarks.protocols.randomisation import SANITY
from pruneattr_core.benchmarks.protocols.removal import PIXELS
from pruneattr_core.benchmarks.protocols.retraining import ROAR

__all__ = ["BENCHMARKS", "Benchmark"]

BENCHMARKS: dict[str, Benchmark] = {
    "calibrate": CALIBRATION,
    "sanity": SANITY,
    "logits": LOGITS,
    "pixels": PIXELS,
    "localise": LOCALISATION,
    "quality": QUALITY,
    "fidelity": FIDELITY,
    "quantus": QUANTUS,
    "circuits": CIRCUITS,
    "roar": ROAR,
}
