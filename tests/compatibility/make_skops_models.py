"""Save small models with an old version of skops, with the answers of the scikit-learn beside it.

``PYTHON make_skops_models.py ARCHIVE.zip`` is run once for each version, like ``make_models.py``,
whose models it saves. The archives are in ``skops/``, named after skops' version.
"""

import os
import sys

import make_models
import skops.io


def save(estimator, path, way):
    del way
    skops.io.dump(estimator, path + ".skops")


if __name__ == "__main__":
    make_models.save = save
    make_models.main(os.path.abspath(sys.argv[1]))
