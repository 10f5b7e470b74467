"""scikit-learn's random forests, extra trees and decision trees.

A forest is fitted in steps of some trees, by scikit-learn or by scikit-learn-intelex
(``forest_steps.py``, ``intelex.py``); start with ``forest_fit.py``. Several hosts fit a part of it
each (``forest_cluster_fit.py``).
"""
