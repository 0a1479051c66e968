"""The terminal that operator commands print to."""

from rich.console import Console, ConsoleDimensions

WIDE = 500  # columns


class Terminal(Console):
    """rich's console, which does not wrap lines in a file or a pipe: names and ids stay greppable."""

    @property
    def size(self) -> ConsoleDimensions:
        found = super().size
        return found if self.is_terminal else ConsoleDimensions(WIDE, found.height)

    @size.setter
    def size(self, new: tuple[int, int]) -> None:
        self._width, self._height = new
