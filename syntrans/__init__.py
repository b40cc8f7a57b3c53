"""SynTrans: mine visual descriptors of classes and use them for few-shot classification."""

__version__ = "0.1.0"
