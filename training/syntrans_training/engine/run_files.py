"""Names of files in the folder of a training; those of heads and features stand with what writes them."""

BRIDGE = "bridge.safetensors"  # the standardisation and the ridge baseline
REPORT = "train.json"
SPLIT = "split.json"  # where chance divided the classes
