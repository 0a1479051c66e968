"""Where operator commands print."""

from rich.console import Console, ConsoleDimensions

WIDE = 500  # columns


class Terminal(Console):
    """As rich's; but what goes to a file or a pipe isn't broken at 80 columns: names and ids are searched for there."""

    @property
    def size(self) -> ConsoleDimensions:
        found = super().size
        return found if self.is_terminal else ConsoleDimensions(WIDE, found.height)

    @size.setter
    def size(self, new: tuple[int, int]) -> None:
        self._width, self._height = new
