import io

from switchboard.runtime.terminal import Terminal


def test_what_goes_to_a_file_is_not_broken_at_eighty_columns() -> None:
    out = io.StringIO()

    Terminal(file=out).print("name " * 60)

    assert out.getvalue().count("\n") == 1
