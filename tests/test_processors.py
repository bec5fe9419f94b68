"""The same bits whatever the processor has: kernels compiled for older ones, in processes of their own."""

import json
import os
import subprocess
import sys

import pytest

CODE = """
import hashlib, json
import lstmsim
digests = {}
for row, changes in (("4-1", {"T": 20}), ("6a", {}), ("2a", {"p": 10, "test_every": 50})):
    how = {"trials": 2, "lanes": 2, "max_sequences": 60, "final_test": 8, "progress": False}
    run = lstmsim.simulate(row, **how, **changes)[row]
    weights = run["weights"].load()
    digest = hashlib.sha256()
    for name in sorted(weights.data_vars):
        if name.startswith("final_"):
            digest.update(weights[name].values.tobytes())
    digests[row] = digest.hexdigest()
print(json.dumps(digests))
"""
OLDER = {
    "x86-64-v3": {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2"},
    "generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "+sse2"},
}


def digests(folder, **environment):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder)} | environment
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_older_processors_give_the_same_bits(tmp_path):
    here = digests(tmp_path / "here")
    assert len(set(here.values())) == len(here)
    for name, environment in OLDER.items():
        assert digests(tmp_path / name, **environment) == here, name
