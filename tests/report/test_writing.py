import pytest


@pytest.mark.slow
def test_the_report_is_written_from_python_although_a_package_has_its_name(small_run, tmp_path):
    import jtdiag.report.page

    path = jtdiag.report(small_run.path, out=tmp_path / "page.html")
    assert path == tmp_path / "page.html"
    assert "Does one member carry the ensemble?" in path.read_text("utf-8")
    assert jtdiag.report.page.page
