"""Mutants that once survived every test, and survivors that no test can notice.

A mutant: file, text that occurs once in it, what stands there instead, test files (patterns in tests/).
"""

from __future__ import annotations

_COMPRESSION = ("unit/test_compression_training.py", "unit/test_compression_matching.py")
_PAYLOAD = ("unit/test_payload.py",)
_TRAIN = "pruneattr_core/compression/train.py"

KNOWN: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    # Keys and payloads of the app.
    ("pruneattr_core/ui/cache.py", "asked = picture.sha256, self.device.type, card", "asked = self.device.type, card", _PAYLOAD),
    ("pruneattr_core/share/payload.py", 'np.abs(drawn) if sign == "absolute" else drawn', "drawn", _PAYLOAD),
    ("pruneattr_core/share/framing.py", "delta[1:] = levels[1:] - levels[:-1]", "delta[1:] = levels[1:]", _PAYLOAD),
    ("pruneattr_core/share/framing.py", "delta[1:] = levels[1:] - levels[:-1]", "delta[1:] = levels[1:] - levels[:1]", _PAYLOAD),
    ("pruneattr_core/share/payload.py", "[scale_of(planes, look.signed, look.clip)]", "[scale_of(planes[0], look.signed, look.clip)]", _PAYLOAD),
    ("pruneattr_core/ui/jobs.py", "LRUCache(limit, getsizeof=size)", "LRUCache(limit)", _PAYLOAD),
    # Which neurons go, and what they become.
    ("pruneattr_core/opening.py", "gradient * (before <= 0)", "gradient * (before > 0)", ("unit/test_opening.py",)),
    ("pruneattr_core/pruning.py", "torch.where(masks[index], activation, replacement.layers[index])", "torch.where(~masks[index], activation, replacement.layers[index])", ("unit/test_circuits.py",)),
    # Attribution matching.
    (_TRAIN, "matching.weight * matching_loss", "matching_loss", _COMPRESSION),
    (_TRAIN, "create_graph=True", "create_graph=False", _COMPRESSION),
    (_TRAIN, "logits[mirrored.astype(np.int64), chosen]", "logits[0, chosen]", _COMPRESSION),
    (_TRAIN, "matching.drop, rng", "0.0, rng", _COMPRESSION),
    ("pruneattr_core/compression/teacher.py", "self.activations[side, chosen]", "self.activations[0, chosen]", _COMPRESSION),
    ("pruneattr_core/compression/teacher.py", "self.weights[side, chosen]", "self.weights[0, chosen]", _COMPRESSION),
    # Batches: every picture has its own target, and several stems are scored.
    ("pruneattr_core/response.py", "values.repeat(times, *[1] * (values.ndim - 1))", "values.repeat_interleave(times, 0)", ("unit/test_prunegrad.py",)),
    ("pruneattr_core/scoring/__init__.py", "torch.cat([p.target for p in parts])", "torch.cat([p.target for p in parts[::-1]])", ("unit/test_neurons.py",)),
    ("pruneattr_core/scoring/__init__.py", "torch.cat([p.logits for p in parts])", "torch.cat([p.logits for p in parts[::-1]])", ("unit/test_neurons.py",)),
    ("pruneattr_core/graph.py", "if index == 0 or not activation.requires_grad:", "if index == 0:", ("unit/test_neurons.py",)),
    # Distillation guided routing, randomisation, noise.
    ("pruneattr_core/paths/dgr.py", "same_answer(logits, original, own) & (loss < smallest)", "loss < smallest", ("unit/test_dgr.py",)),
    ("pruneattr_core/benchmarks/sanity.py", "1_000_003 * seed + place", "1_000_003 * seed", ("unit/test_sanity.py",)),
    ("pruneattr_core/attribution/controls.py", "sha256(content + str(seed).encode())", "sha256(str(seed).encode())", ("unit/test_methods_twins.py",)),
    # Files.
    ("pruneattr_core/store.py", "if data[len(_SEAL) : _HEAD] != ", "if False and data[len(_SEAL) : _HEAD] != ", ("unit/test_damage.py",)),
    ("pruneattr_core/runs/cells.py", 'record if found["identity"] == self.identity else None', "record", ("unit/test_damage.py",)),
    ("pruneattr_core/runs/stored.py", ' or header.get("sha256") != _seal(header)', "", ("unit/test_runs.py",)),
    ("pruneattr_core/descent.py", "model.load_state_dict(first[0])", "pass", ("unit/test_damage.py",)),
)  # fmt: skip

#: `Mutant.key` -> why no test can notice it, or need not.
REASONS: dict[str, str] = {
    "pruneattr_core/selection.py::_rows: and -> or": "a layer in another order is then copied, or viewed: the same values",
    "pruneattr_core/ui/cache.py::Waiting._reserve: 3 -> 4": "how many boxes stand while a map is computed: for eyes, seen in a browser only",
    "pruneattr_core/ui/cache.py::Waiting._reserve: st.skeleton(height=self.height) -> None": "a grey box while a map is computed: for eyes, seen in a browser only",
    "pruneattr_core/results/keys.py::Scored: False -> True": "results are compared by what names them, never with one another",
    "pruneattr_core/selection.py::_rows: 4 -> 5": "a layer in another order is then copied: the same values, only slower",
    "pruneattr_core/benchmarks/protocols/logits.py::_cell: 13 -> 14": "keeps these random numbers apart from others of the seed, as any number does",
    "pruneattr_core/benchmarks/fills.py::fill_removed: and -> or": "the way made for CUDA gives the CPU's numbers, as a test says; it is only slower there",
    "pruneattr_core/circuits/replacement.py::zero: 1 -> 2": "only the activations' number of dimensions is read, which one more picture does not change",
    "pruneattr_core/benchmarks/samples.py::module: 16 -> 17": "how many small pictures a run carries; no number depends on it",
    "pruneattr_core/ui/cache.py::Waiting._reserve: 0 -> 1": "in which column the picture stands while its map is computed: for eyes, seen in a browser only",
    "pruneattr_core/benchmarks/protocols/foreign.py::_step: 1 -> 2 (2)": "the number itself divides, so one more candidate is never reached",
    "pruneattr_core/scoring/intgrad.py::_integrate: 0 -> 1": "the first node comes in a batch of its own: the same sum, one pass more",
    "pruneattr_core/circuits/shapley.py::sampled_shapley: 0 -> 1 (3)": "coalitions in rows of pairs instead of one row: the same values in the same order",
    "pruneattr_core/compression/pool.py::pool: 2 -> 3": "pictures of the size wanted are then resized to it, which changes nothing",
    "pruneattr_core/benchmarks/executor.py::execute: and -> or": "a run that another process has finished is refused when it is written, and taken then",
    "pruneattr_core/benchmarks/training.py::epoch_of: < -> <=": "differs where a random float32 is exactly 0.5: once in 16 million",
    "pruneattr_core/attribution/captum_methods.py::_batch: 30 -> 31": "holds on devices of which the table of budgets says nothing",
    "pruneattr_core/benchmarks/fills.py::fill_removed: == -> != (2)": "the way made for CUDA gives the CPU's numbers, as a test says; it is only slower there",
    "pruneattr_core/circuits/shapley.py::sampled_shapley: 1 -> 2 (2)": "two orders laid out at once where one would do: the same values",
    "pruneattr_core/benchmarks/cluster.py::module: 20 -> 21": "Ray's patience with a busy machine; no number depends on it",
    "pruneattr_core/benchmarks/training.py::Recorded._record: torch.cuda.current_stream().wait_stream(aside) -> None": "runs on CUDA only",
    "pruneattr_core/runs/reading.py::module: 48 -> 49": "a limit: how large a run of a stranger may be is a choice, no number depends on it",
    "pruneattr_core/compression/teacher.py::answers: 100 -> 101": "how many pictures pass at a time: the same answers",
    "pruneattr_core/compression/train.py::identity: True -> False": "the parts come in one order; sorted, they stay so when the code is moved",
    "pruneattr_core/results/levels.py::spaced: < -> <= (2)": "the highest level is among the levels in any case",
    "pruneattr_core/benchmarks/roar.py::accuracies: == -> !=": "the step that is recorded on a GPU runs on a CPU too, to the same numbers",
    "pruneattr_core/attribution/calls.py::Substituted.__init__: 1 -> 2": "one picture more is run to see the calls, which are the same",
    "pruneattr_core/attribution/cam.py::layercam: handle.remove() -> None": "the hook is on a stand-in that goes when the function ends",
    "pruneattr_core/attribution/prunepgd.py::_within: > -> >=": "on the ball itself the factor is 1",
    "pruneattr_core/benchmarks/fills.py::imputed_together: 2 -> 3 (2)": "steps end later: the same numbers to the tolerance that is promised",
    "pruneattr_core/benchmarks/fills.py::imputed_together: 3000 -> 3001": "a limit that no picture reaches",
    "pruneattr_core/benchmarks/objects.py::without_object: 0 -> 1 (2)": "any seed does: of the noise of a picture that is used as a baseline",
    "pruneattr_core/benchmarks/protocols/quality.py::_parts_rank: 0 -> 1 (2)": "the same is added to all differences, whose ranks are compared",
    "pruneattr_core/benchmarks/summary.py::areas: > -> >=": "a second point at 0 has no width",
    "pruneattr_core/benchmarks/surrogate.py::fine_tuned: True -> False (2)": "gradients become zeros instead of none: the same steps",
    "pruneattr_core/circuits/shapley.py::sampled_shapley: 1 -> 2 (3)": "how many orders are laid out at once where a layer has one unit: the same values",
    "pruneattr_core/store.py::write_folder: folder.rmdir() -> None": "runs on Windows only",
    "pruneattr_core/ui/cache.py::Waiting.__call__: 10_000 -> 10001": "from which number a sum of bytes is told in MB: for eyes",
}
