"""What is learned: the models, how they sample, and the stages pretraining, SFT, RL and conversion.

Imports `provenance`, `experiment` and `tasks`, and the modules beside the rooms.
"""
