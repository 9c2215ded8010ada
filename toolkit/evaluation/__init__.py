"""Numbers: metrics, decision, intervals, comparison, baselines, diagnostics, explanations."""
