"""Toy runs: a small generator trained with the drifting loss, in seconds on a CPU.

targets    two 2-D distributions of the paper (section 5.1) and scikit-learn's real digits
generator  a multilayer perceptron, noise and class to sample, and where it starts
train      the loop, the attraction-only ablation (Table 1; DEC-0001) and what is recorded
measure    energy distance, modes, diversity
pictures   samples over time and curves, as PNG
output     a result directory that appears whole or not at all
runs       all of it, as `drift toy` runs it

Every figure of a toy run belongs on the evidence axis `proxy`.
"""
