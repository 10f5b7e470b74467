"""scikit-learn: fitted estimators -> ``Model``, by the rules of the version that wrote them.

``scikit_learn_model.py`` has the table of classes; ``tree_nodes.py``, ``gradient_boosting.py``,
``hist_gradient_boosting.py`` and ``isolation_forest.py`` read them; ``release.py`` knows what
changed between versions. An estimator comes as a record: from a file, or of an object in memory.
"""
