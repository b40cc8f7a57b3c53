"""The contract between mining and training: schemas, reading, writing."""
