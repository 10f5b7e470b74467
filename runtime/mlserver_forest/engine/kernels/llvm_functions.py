"""What kernels use of LLVM itself, beyond what Numba offers."""

from typing import Any

from numba.core.cgutils import get_or_insert_function


def function_of_llvm(builder: Any, signature: Any, name: str) -> Any:
    """A function of LLVM's own, to be called in code that is being built."""
    return get_or_insert_function(builder.module, signature, name)  # type: ignore[no-untyped-call]
