"""The lab: does animated pretraining help video-text retrieval? An experiment that anyone can rerun.

`docs/lab.md` has the question, the hypotheses and the result. `zoetrope lab` runs it.
"""
