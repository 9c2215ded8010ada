"""A step and a run: learner, optimizer and schedule, bad steps, stop signals."""
