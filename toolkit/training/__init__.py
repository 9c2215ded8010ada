"""A step and a run: learner, schedule, bad steps, stop signals."""
