"""Settings of a test run: one cache of compiled kernels for all workers and processes, each compiled once; Ctrl-C works."""

import os
import signal
from pathlib import Path

from filelock import FileLock

CACHE = Path(__file__).parents[1] / "build" / "kernels"


def pytest_configure(config):
    """Keep the kernels of this checkout in it, unless the caller has a place for them."""
    os.environ.setdefault("NUMBA_CACHE_DIR", str(CACHE))
    _compile_one_by_one(Path(os.environ["NUMBA_CACHE_DIR"]))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a job that a shell runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)  # or no process of a test could be interrupted


def _compile_one_by_one(folder):
    """Have a worker wait while another one compiles the same kernel, and then read it from the cache."""
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.dispatcher import Dispatcher

    folder.mkdir(parents=True, exist_ok=True)
    compile_alone = Dispatcher.compile

    def compile_once(self, signature):
        name = f"{self.py_func.__module__}.{self.py_func.__qualname__}".replace("<", "").replace(">", "")
        # Numba's own lock first, which all threads of this process take: never the other way round.
        with global_compiler_lock, FileLock(folder / f".{name}.lock"):
            return compile_alone(self, signature)

    Dispatcher.compile = compile_once
