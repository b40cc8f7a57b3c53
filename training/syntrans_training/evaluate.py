"""`syntrans evaluate`: every method and control on the same frozen episodes of the novel classes.

The only module that opens the test split; nothing is chosen here. Rows, in percent with 95 % intervals:
    plain_prototypes   prototypes on unit features, without the standardisation chosen on val
    visual_only        prototypes on standardised features
    semantic_only      the weights predicted from the text; supports are ignored
    fused              both, alpha from val
    name_only          fused, the class name in place of the descriptors (own lambda and alpha from val)
    raw                fused, all merged candidates in place of the kept ones (where the file has rejected rows)
    shuffled           fused, the novel classes' vectors dealt to the wrong classes, mean over several derangements

summary.json holds
    episodes     ways, shots, queries, episodes, seed, interval, files {shots: name}
    data         classes, images, seen_by_mining (images that were barred as queries)
    results      {shots: {row: {mean, half_width, n, alpha, lambda, name_share}}}, the last three for rows with text
    contrasts    {shots: {"fused - visual_only": {mean, half_width, n, verdict}, ...}}, paired over episodes
    chosen       shrinkage of the standardisation and, per variant and shots, what val chose
    checkpoint, descriptors, text_encoder, config, seconds, made_by
Per-episode accuracies lie beside it in accuracies.parquet: shots, episode, one column per row above.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from syntrans.errors import InputError, UsageError
from syntrans.paths import artifacts_root, atomic_path, atomic_write_text, make_dir

from . import checkpoint
from .bridge import Bridge, unpack
from .config import EvaluateConfig, TrainConfig
from .data import Split
from .encoder import ENCODER, open_encoder
from .episodes import Episodes, EpisodeSpec, frozen
from .features import Features
from .metrics import interval, paired
from .progress import say
from .provenance import file_sha256, made_by
from .rows import Row, build_rows
from .scoring import score
from .seeding import pick_device
from .semantics import read_knowledge
from .stages import BRIDGE, feature_stage
from .text import open_text_encoder
from .train import REPORT, open_data

SUMMARY, ACCURACIES = "summary.json", "accuracies.parquet"


def evaluate(
    checkpoint_dir: Path, config: EvaluateConfig, *, out: Path, descriptors: Path | None = None
) -> dict[str, Any]:
    """Evaluate a run folder of `train`; writes summary.json and accuracies.parquet to `out`, returns the summary.

    `descriptors` defaults to the file that the bridge was trained with.
    """
    began, origin = time.monotonic(), made_by()
    make_dir(out)
    trained, bridge, report = read_run(checkpoint_dir)
    note = report["bridge"]
    _check_shots(bridge, config)
    split = open_data(trained.data, (config.split,))[config.split]
    _check_novel(split, report)
    path = descriptors or _descriptors_of(note)
    knowledge = read_knowledge(path, split.classes)
    seen = split.seen(knowledge.images_seen)
    if seen.any():
        say(f"{int(seen.sum())} of {len(split)} images were seen by mining; they never serve as queries")
    found = _features(checkpoint_dir, trained, split, config.device)
    encoder = open_text_encoder(trained.text.encoder)
    tasks = {shots: _episodes(config, shots, split, seen) for shots in config.episodes.shots}
    accuracies: dict[int, dict[str, NDArray[np.float64]]] = {}
    results, contrasts = {}, {}
    for shots, episodes in tasks.items():
        rows = build_rows(
            found.values,
            found.labels,
            bridge,
            knowledge,
            split.classes,
            encoder,
            trained.text,
            shots=shots,
            shuffles=config.shuffles,
        )
        outcomes = score(rows, episodes, n_classes=len(split.classes), chunk=config.chunk)
        accuracies[shots] = {name: outcome.accuracy for name, outcome in outcomes.items()}
        results[str(shots)] = _results(rows, accuracies[shots], bridge, shots, config)
        contrasts[str(shots)] = _contrasts(accuracies[shots], config)
    _write_accuracies(out / ACCURACIES, accuracies)
    summary = {
        "episodes": {
            **config.episodes.model_dump(mode="json"),
            "interval": config.interval,
            "files": {str(shots): f"episodes-{episodes.key}.parquet" for shots, episodes in tasks.items()},
        },
        "data": {"classes": len(split.classes), "images": len(split), "seen_by_mining": int(seen.sum())},
        "results": results,
        "contrasts": contrasts,
        "chosen": {"shrinkage": bridge.shrinkage, "choices": note["choices"]},
        "checkpoint": str(checkpoint_dir),
        "descriptors": None if path is None else {"path": str(path), "sha256": file_sha256(path)},
        "text_encoder": note["text_encoder"],
        "config": config.model_dump(mode="json"),
        "seconds": round(time.monotonic() - began, 2),
        "made_by": origin,
    }
    atomic_write_text(out / SUMMARY, json.dumps(summary, indent=2))
    return summary


def read_run(folder: Path) -> tuple[TrainConfig, Bridge, dict[str, Any]]:
    """Config, bridge and train.json of a run folder; `InputError` when it is none, or of several runs."""
    for name in (ENCODER, BRIDGE, REPORT):
        if not (folder / name).is_file():
            raise InputError(f"{folder} holds no {name}; give the folder that `syntrans train` finished")
    try:
        report = json.loads((folder / REPORT).read_text())
        config = TrainConfig.model_validate(report["config"])
        made = report["encoder"]["weights"], report["bridge"]["identity"]
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"{folder / REPORT} is not the report of a training that this program reads ({type(error).__name__}); "
            "run `syntrans train` again"
        ) from error
    tensors, note = checkpoint.load(folder / BRIDGE)
    if made != (checkpoint.read_note(folder / ENCODER).get("weights"), note.get("identity")):
        raise InputError(f"{folder} holds files of different runs; let `syntrans train` finish there")
    return config, unpack(tensors, note), report


def _check_novel(split: Split, report: Mapping[str, Any]) -> None:
    for name, part in report["data"].items():
        both = sorted(set(split.classes) & set(part.get("names", ())))
        if both:
            raise InputError(f"class {both[0]!r} is in {name} and in {split.name}; few-shot splits share no class")


def _descriptors_of(note: Mapping[str, Any]) -> Path | None:
    if not note["descriptors"]:
        return None
    path = Path(note["descriptors"]["path"])
    if path.is_file() and file_sha256(path) != note["descriptors"]["sha256"]:
        raise InputError(f"{path} has changed since the bridge was trained with it; run `syntrans train` again")
    return path


def _check_shots(bridge: Bridge, config: EvaluateConfig) -> None:
    known = sorted({shots for _, shots in bridge.choices})
    unknown = sorted(set(config.episodes.shots) - set(known))
    if unknown:
        raise UsageError(
            f"episodes.shots {unknown}: the bridge was trained for {known}; train it for them or ask for those"
        )


def _features(folder: Path, trained: TrainConfig, split: Split, device_name: str) -> Features:
    device = pick_device(device_name)
    encoder, note = open_encoder(folder, trained.encoder, device)
    return feature_stage(encoder, note, split, device, trained.encoder.test_size)


def _episodes(config: EvaluateConfig, shots: int, split: Split, seen: NDArray[np.bool_]) -> Episodes:
    shape = config.episodes
    spec = EpisodeSpec(shape.ways, shots, shape.queries, shape.episodes, shape.seed)
    return frozen(spec, split.labels, artifacts_root() / "cache" / "episodes", barred=seen, names=split.classes)


def _results(
    rows: Mapping[str, Row],
    accuracies: Mapping[str, NDArray[np.float64]],
    bridge: Bridge,
    shots: int,
    config: EvaluateConfig,
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, row in rows.items():
        found[name] = interval(accuracies[name], kind=config.interval).percent()
        if row.variant is not None:
            choice = bridge.choices[row.variant, shots]
            alpha = 1.0 if name == "semantic_only" else choice.alpha
            found[name] |= {"alpha": alpha, "lambda": choice.lam, "name_share": choice.name_share}
    return found


def _contrasts(accuracies: Mapping[str, NDArray[np.float64]], config: EvaluateConfig) -> dict[str, dict[str, Any]]:
    pairs = [(name, "visual_only") for name in accuracies if name != "visual_only"]
    pairs += [("fused", name) for name in accuracies if name not in ("fused", "visual_only")]
    found: dict[str, dict[str, Any]] = {}
    for a, b in pairs:
        difference = paired(accuracies[a], accuracies[b], kind=config.interval)
        found[f"{a} - {b}"] = {**difference.percent(), "verdict": difference.verdict}
    return found


def _write_accuracies(path: Path, accuracies: Mapping[int, Mapping[str, NDArray[np.float64]]]) -> None:
    tables = []
    for shots, rows in accuracies.items():
        n = len(next(iter(rows.values())))
        columns = {"shots": np.full(n, shots, np.int32), "episode": np.arange(n, dtype=np.int32), **rows}
        tables.append(pa.table(columns))
    with atomic_path(path) as temporary:
        pq.write_table(pa.concat_tables(tables), temporary, compression="zstd")
