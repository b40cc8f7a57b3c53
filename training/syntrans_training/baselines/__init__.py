"""Other people's few-shot methods, trained and chosen on val.

A new one: its scores in `methods/`, its entry in `registry.py`.
"""
