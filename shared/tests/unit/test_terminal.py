import io

from switchboard.runtime.terminal import Terminal


def test_output_to_a_file_is_not_wrapped() -> None:
    out = io.StringIO()

    Terminal(file=out).print("name " * 60)

    assert out.getvalue().count("\n") == 1
