"""Names of files in the folder of a training; of its report in `runs.file_names`, of heads beside what writes them."""

BRIDGE = "bridge.safetensors"  # the standardisation and the ridge baseline
SPLIT = "split.json"  # where chance divided the classes
