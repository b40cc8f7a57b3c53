"""The steps of mining: one verb, one file each. Each takes candidates and says which stay, and why the others go.

Whatever drops a candidate calls `Candidate.drop`.
"""
