"""Estimators of scikit-learn's API: algorithms by name, and models that are fitted already.

They let a packed forest stand in a pipeline, a cross-validation or ``sklearn.inspection``.
"""
