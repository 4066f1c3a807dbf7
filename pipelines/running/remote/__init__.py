"""Jobs on remote runners outlive their submitter: their ids, the way back to them, and what each engine
needs.
"""
