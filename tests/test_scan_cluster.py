"""Scans on a Dask cluster: the bits of a scan here."""

import importlib.util

import pytest

import lstmsim
from tests.test_scan import OVER, SMALL, same

if importlib.util.find_spec("distributed") is None:  # found, not imported: that takes half a second
    pytest.skip("needs distributed", allow_module_level=True)


@pytest.fixture(scope="module")
def address():
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0") as machines:
        yield machines.scheduler_address


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_scan_on_a_cluster_has_the_same_bits(address, tmp_path):
    how = {"over": OVER, "trials": 2, "weights": True, "halving": 2} | SMALL
    there = lstmsim.scan("4-1", out=tmp_path, scheduler=address, **how)
    assert same(there, lstmsim.scan("4-1", workers=1, **how))
    assert same(there, lstmsim.scan("4-1", out=tmp_path, **how))


def test_a_scheduler_that_does_not_answer_is_refused(tmp_path):
    with pytest.raises(ValueError, match="scheduler is 'nowhere'"):
        lstmsim.scan("4-1", OVER, out=tmp_path / "scan", scheduler="nowhere", **SMALL)
    assert not (tmp_path / "scan").exists()
