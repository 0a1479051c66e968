"""Run all benchmarks in turn, each in its own process, and print their tables at the end.

`python -m bench [--quick] [--keep] [NAME ...]`: NAME runs `bench_NAME.py` only; `--keep` writes the tables to
`docs/numbers.md` as well.
"""

import subprocess
import sys
from pathlib import Path

from bench import numbers
from switchboard.runtime.terminal import Terminal

HERE = Path(__file__).parent
OPTIONS = {"--quick", "--keep"}


def main(arguments: list[str]) -> int:
    console = Terminal()
    names = [file.stem.removeprefix("bench_") for file in sorted(HERE.glob("bench_*.py"))]
    if {"-h", "--help"} & set(arguments):
        console.print(f"{__doc__}\nNames: {', '.join(names)}", markup=False)
        return 0
    options = {argument for argument in arguments if argument.startswith("-")}
    if options - OPTIONS:
        console.print(f"no option {', '.join(sorted(options - OPTIONS))}: there are {', '.join(sorted(OPTIONS))}")
        return 2
    flags = sorted(options - {"--keep"})
    wanted = [argument for argument in arguments if argument not in options]
    unknown = set(wanted) - set(names)
    if unknown:
        console.print(f"no benchmark {', '.join(sorted(unknown))}: there are {', '.join(names)}")
        return 2
    outputs, failed = [], []
    for name in wanted or names:
        console.print(f"[dim]bench:[/] {name}")
        done = subprocess.run(
            [sys.executable, "-m", f"bench.bench_{name}", *flags], stdout=subprocess.PIPE, text=True, check=False
        )
        outputs.append(done.stdout)
        if done.returncode:
            failed.append(name)
    for output in outputs:
        sys.stdout.write(output)
    if "--keep" in arguments:
        numbers.keep("bench", "```\n" + "".join(outputs) + "```")
    if failed:
        console.print(f"[red]failed:[/] {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
