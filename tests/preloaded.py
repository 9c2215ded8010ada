"""What the processes that tests fork have imported already: the packages, and all of this project but the scripts.

Importing this in the server that they are forked from is worth several seconds of processor time to each of them.
"""

import gc
import pkgutil
from contextlib import suppress
from importlib import import_module

import toolkit

PACKAGES = ["torch", "transformers", "transformers.models.bert.modeling_bert", "pandas", "pyarrow", "safetensors.torch",
            "sklearn.metrics", "sklearn.tree", "sklearn.linear_model", "sklearn.feature_extraction.text",
            "sklearn.model_selection", "scipy.optimize", "cleanlab.filter", "datasketch", "opencc", "matplotlib.figure",
            "matplotlib.backends.backend_agg", "filelock", "torch.distributed", "torch.nn.parallel"]  # fmt: skip
ROOMS = [module.name for module in pkgutil.walk_packages(toolkit.__path__, "toolkit.") if not module.ispkg]

for name in [*PACKAGES, "utils", *ROOMS]:
    with suppress(ImportError):  # some are optional, and the oldest versions lack others
        import_module(name)
# The garbage collector of a forked process need not look through all of this again and again.
gc.collect()
gc.freeze()
