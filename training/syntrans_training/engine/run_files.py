"""Names of the files in the folder of a training; that of its report is in `runs.file_names`.

The file of the ridge baseline and that of the bridge keep the names that they first had.
"""

ENCODER, STATE, METRICS = "encoder.safetensors", "state.safetensors", "metrics.jsonl"
TEACHERS = ("skd-gen0", "cmkd-teacher")  # methods that are only the first of two; their files are called after them
ENCODER_FILES = (
    ENCODER,
    STATE,
    METRICS,
    "state-before.safetensors",
    *(f"{teacher}.{kind}" for teacher in TEACHERS for kind in ("safetensors", "metrics.jsonl")),
)  # what the encoder stage may leave

DISTILL, DISTILL_STATE, DISTILL_METRICS = "distill.safetensors", "distill-state.safetensors", "distill.metrics.jsonl"
DISTILL_FILES = (DISTILL, DISTILL_STATE, "distill-state-before.safetensors", DISTILL_METRICS)

RIDGE = "bridge.safetensors"  # the standardisation and the ridge baseline
BRIDGE = "vsbird.safetensors"  # the trained heads of the bridge
SELECTED_BASELINES = "methods.safetensors"
SPLIT = "split.json"  # where chance divided the classes
