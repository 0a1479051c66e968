import pytest

from bench.__main__ import main


def test_help_runs_no_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    output = capsys.readouterr().out
    assert "--quick" in output
    assert "bench:" not in output


def test_an_unknown_option_or_name_runs_no_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quik", "append"]) == 2
    assert main(["--quick", "nonsense"]) == 2
    output = capsys.readouterr().out
    assert "no option --quik: there are --keep, --quick" in output
    assert "no benchmark nonsense: there are append" in output
    assert "bench: append" not in output
