"""Estimators of scikit-learn around others: votes, averages, calibration, stacking and the like.

Each reader takes the record of an estimator and a function that reads what stands in it, and gives
a composition. ``../scikit_learn_model.py`` has the table of all of them.
"""
