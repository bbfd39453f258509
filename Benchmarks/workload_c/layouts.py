"""The layouts' tables for JAX: what is stored split over which axes of the mesh, and what moves.

They say what `Sources/Partitioner/Layouts` says: SUMMA's product gathers its input along `col` and its
weight along `row`; Tesseract's the same, with the batch over `depth` in addition and weights copied
over it; 3-D's gathers its input and its weight and scatters its result.
"""

from dataclasses import dataclass

from jax.sharding import PartitionSpec as P


@dataclass(frozen=True)
class State:
    """How the stream, or a wide activation (heads, ffn), is stored: axes of its batch and columns."""

    batch: tuple[str, ...]
    columns: str

    @property
    def specification(self) -> P:
        return P(self.batch, None, self.columns)

    @property
    def vector(self) -> P:
        return P(self.columns)


@dataclass(frozen=True)
class Product:
    """A linear from one state to the other."""

    source: State
    target: State
    # Axes that split the weight's in-rows, major first; the last is gathered.
    rows: tuple[str, ...]
    # The axis over which the input is gathered, and the dimension along which.
    gathered: tuple[str, int]
    # The axis over which the result is scattered along its batch, where it is partial over one.
    scattered: str | None = None

    @property
    def weight(self) -> P:
        return P(self.rows, self.target.columns)

    @property
    def whole_input(self) -> P:
        """The input as it is multiplied."""
        axis, dimension = self.gathered
        parts = list(self.source.specification)
        kept = tuple(name for name in self.source.batch if name != axis)
        parts[dimension] = kept if dimension == 0 else None
        return P(*parts)

    @property
    def whole_weight(self) -> P:
        """The weight as it is multiplied."""
        return P(self.rows[:-1] or None, self.target.columns)


@dataclass(frozen=True)
class Layout:
    """A mesh with its tables."""

    axes: tuple[str, ...]
    stream: State
    wide: State
    # From the stream to heads or ffn, and back.
    up: Product
    down: Product
    # Axes over which weights have copies.
    copies: tuple[str, ...] = ()


def panels(outer: tuple[str, ...] = ()) -> Layout:
    """SUMMA, or with `outer` axes of the batch Tesseract."""
    state = State((*outer, "row"), "col")
    product = Product(state, state, ("row",), ("col", 2))
    return Layout(("row", "col", *outer), state, state, product, product, outer)


def cube() -> Layout:
    """3-D; on the way back j and k change places."""
    stream, wide = State(("i", "j"), "k"), State(("i", "k"), "j")
    up = Product(stream, wide, ("k", "i"), ("j", 0), "k")
    down = Product(wide, stream, ("j", "i"), ("k", 0), "j")
    return Layout(("i", "j", "k"), stream, wide, up, down)


LAYOUTS = {"summa": panels(), "tesseract": panels(("depth",)), "3d": cube()}
