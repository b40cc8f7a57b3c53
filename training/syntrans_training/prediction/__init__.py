"""Names for a person's own pictures: from supports, texts and queries to classes with reasons and honest doubt.

The core needs numpy alone; torch is imported only for encoders that are torch modules.
"""
