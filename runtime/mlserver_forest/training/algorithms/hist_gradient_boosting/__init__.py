"""scikit-learn's gradient boosting on histograms: its hyperparameters, and boosting in steps."""
