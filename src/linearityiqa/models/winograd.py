"""3 x 3 convolutions with a quarter of the multiplications (Lavin and Gray, CVPR 2016, section 4.3), for CPUs.

Tiles of 4 x 4 outputs are computed from 6 x 6 inputs, F(4 x 4, 3 x 3): inputs and kernels are brought to 36 points by
constant matrices, multiplied there by one matrix product over the channels each, and brought back. Maps are
(N, H, W, channels) here, so that every line works on whole rows of channels. Everything is deterministic, and
differs from the direct sum by rounding only.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from linearityiqa.models.products import add_products, products

TILE = 4
"""Outputs of a tile, on each side."""
REACH = 6
"""Inputs of a tile, on each side."""
BLOCK_VALUES = 2_000_000
"""Inputs at their points that are held at once, for each thread: with their products they fit into the cache."""

_KERNELS_TO_POINTS = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)
"""The paper's matrix G."""
Entries = Tensor | Sequence[Tensor]
"""What lies along one side of tiles: a tensor by its first axis, or one tensor for each place."""


class Block(NamedTuple):
    """Tiles that are computed at once: some rows of tiles of some images."""

    images: slice
    rows: slice

    @property
    def inputs(self) -> tuple[slice, slice]:
        """Where their inputs lie in padded maps."""
        return self.images, slice(TILE * self.rows.start, TILE * self.rows.stop + REACH - TILE)

    @property
    def outputs(self) -> tuple[slice, slice]:
        """Where their outputs lie in maps of whole tiles."""
        return self.images, slice(TILE * self.rows.start, TILE * self.rows.stop)


class Tiling(NamedTuple):
    """The tiles of maps of shape (N, H, W, channels)."""

    images: int
    height: int
    width: int
    channels: int

    @property
    def rows(self) -> int:
        """Rows of tiles; the last one may reach beyond the maps."""
        return -(-self.height // TILE)

    @property
    def columns(self) -> int:
        """Columns of tiles."""
        return -(-self.width // TILE)

    @property
    def tiles(self) -> int:
        """Tiles of all images."""
        return self.images * self.rows * self.columns

    def blocks(self) -> Iterator[Block]:
        """All tiles in blocks of about `BLOCK_VALUES` a thread: several images, or some rows of one."""
        values = BLOCK_VALUES * torch.get_num_threads()
        most_rows = max(1, values // (REACH * REACH * self.columns * self.channels))
        images, rows = max(1, most_rows // self.rows), min(self.rows, most_rows)
        for image in range(0, self.images, images):
            for row in range(0, self.rows, rows):
                yield Block(slice(image, min(image + images, self.images)), slice(row, min(row + rows, self.rows)))

    def padded(self, maps: Tensor) -> Tensor:
        """Maps with the border of zeros that their tiles read."""
        right, below = TILE * self.columns - self.width + 1, TILE * self.rows - self.height + 1
        return pad(maps, (0, 0, 1, right, 1, below))

    def whole(self, maps: Tensor) -> Tensor:
        """Maps with zeros up to the end of their last tiles."""
        return pad(maps, (0, 0, 0, TILE * self.columns - self.width, 0, TILE * self.rows - self.height))


def kernels_at_points(weight: Tensor) -> Tensor:
    """Kernels (K, C, 3, 3) at the 36 points, (36, K, C)."""
    taps = weight.permute(2, 3, 0, 1).reshape(9, -1)
    return (_kernel_matrix(weight) @ taps).view(REACH * REACH, *weight.shape[:2])


def kernels_at_points_adjoint(gradient: Tensor) -> Tensor:
    """Gradient with respect to kernels (K, C, 3, 3), from the one with respect to `kernels_at_points`."""
    taps = _kernel_matrix(gradient).T @ gradient.flatten(1)
    return taps.view(3, 3, *gradient.shape[1:]).permute(2, 3, 0, 1)


def convolve(maps: Tensor, kernels: Tensor) -> Tensor:
    """The 3 x 3 convolution, with a padding of 1, of maps (N, H, W, C) with kernels (36, K, C): maps (N, H, W, K)."""
    tiling = Tiling(*maps.shape)
    padded = tiling.padded(maps)
    result = maps.new_empty(tiling.images, TILE * tiling.rows, TILE * tiling.columns, kernels.shape[1])
    for block in tiling.blocks():
        points = _matrices(_at_points(padded[block.inputs]))
        _from_points(products(points, kernels.mT), result[block.outputs])
    return result[:, : tiling.height, : tiling.width].contiguous()


def convolve_adjoint(
    gradient: Tensor, maps: Tensor, kernels: Tensor, *, of_maps: bool = True, of_kernels: bool = True
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients with respect to both arguments of `convolve`, from the one with respect to its result.

    Args:
        gradient: (N, H, W, K).
        maps: what `convolve` was handed, (N, H, W, C).
        kernels: what it was handed, (36, K, C).
        of_maps: whether the first gradient is needed; None without it.
        of_kernels: whether the second is.
    """
    tiling = Tiling(*maps.shape)
    padded, gradient = tiling.padded(maps), tiling.whole(gradient)
    to_maps = torch.zeros_like(padded) if of_maps else None
    to_kernels = torch.zeros_like(kernels) if of_kernels else None
    for block in tiling.blocks():
        to_products = _matrices(_from_points_adjoint(gradient[block.outputs]))
        if to_kernels is not None:
            # computed again rather than kept from the forward pass: they take 2.25 times the memory of the maps
            points = _matrices(_at_points(padded[block.inputs]))
            add_products(to_kernels, to_products.mT, points)
        if to_maps is not None:
            _add_at_points_adjoint(products(to_products, kernels), to_maps[block.inputs])
    if to_maps is not None:
        to_maps = to_maps[:, 1 : 1 + tiling.height, 1 : 1 + tiling.width].contiguous()
    return to_maps, to_kernels


def _kernel_matrix(like: Tensor) -> Tensor:
    """What takes the 9 taps of a kernel to its 36 points: G for both sides at once."""
    matrix = torch.tensor(_KERNELS_TO_POINTS, dtype=torch.float64)
    return torch.kron(matrix, matrix).to(like)


def _matrices(points: Tensor) -> Tensor:
    """(6, 6, N, rows, columns, channels) as a matrix of tiles and channels at each point, (36, tiles, channels)."""
    return points.flatten(2, 4).flatten(0, 1)


def _lines(matrices: Sequence[Tensor], shape: torch.Size) -> list[list[Tensor]]:
    """Matrices at 36 points, a list for each row of points, of tensors of one shape."""
    tensors = [matrix.view(shape) for matrix in matrices]
    return [tensors[i : i + REACH] for i in range(0, REACH * REACH, REACH)]


def _at_points(padded: Tensor) -> Tensor:
    """The inputs of tiles, (N, 4 rows + 2, 4 columns + 2, C), at their points, (6, 6, N, rows, columns, C)."""
    count, height, width, channels = padded.shape
    rows, columns = height // TILE, width // TILE
    lines = padded.new_empty(REACH, count, rows, width, channels)
    _to_points([padded[:, i : i + TILE * rows : TILE] for i in range(REACH)], lines)
    points = padded.new_empty(REACH, REACH, count, rows, columns, channels)
    _to_points([lines[:, :, :, j : j + TILE * columns : TILE] for j in range(REACH)], points.unbind(1))
    return points


def _add_at_points_adjoint(gradient: Sequence[Tensor], total: Tensor) -> None:
    """Add the gradient with respect to what `_at_points` was handed to `total`, from 36 matrices of its result's."""
    count, height, width, channels = total.shape
    rows, columns = height // TILE, width // TILE
    lines = total.new_zeros(REACH, count, rows, width, channels)
    for line, along in zip(lines, _lines(gradient, torch.Size((count, rows, columns, channels))), strict=True):
        _add_to_points_adjoint(along, [line[:, :, j : j + TILE * columns : TILE] for j in range(REACH)])
    _add_to_points_adjoint(lines, [total[:, i : i + TILE * rows : TILE] for i in range(REACH)])


def _from_points(matrices: Sequence[Tensor], result: Tensor) -> None:
    """Write the outputs of tiles, (N, 4 rows, 4 columns, K), from their 36 points, (tiles, K) each."""
    by_row = _by_row(result)
    shape = by_row[0].shape[1:]
    lines = result.new_empty(REACH, TILE, *shape)
    for line, along in zip(lines, _lines(matrices, shape), strict=True):
        _outputs(along, line)
    _outputs(lines, by_row)


def _from_points_adjoint(gradient: Tensor) -> Tensor:
    """Gradient with respect to the points, (6, 6, N, rows, columns, K), from the one of the outputs of tiles."""
    columns = _by_column(gradient)
    shape = columns[0].shape[1:]
    lines = gradient.new_empty(TILE, REACH, *shape)
    _outputs_adjoint(columns, lines.unbind(1))
    points = gradient.new_empty(REACH, REACH, *shape)
    _outputs_adjoint(lines, points)
    return points


def _by_row(maps: Tensor) -> Sequence[Tensor]:
    """For each row of a tile, its outputs in (N, 4 rows, 4 columns, K) as (4, N, rows, columns, K)."""
    return [row.permute(3, 0, 1, 2, 4) for row in _tiles(maps).unbind(2)]


def _by_column(maps: Tensor) -> Sequence[Tensor]:
    """For each column of a tile, its outputs in (N, 4 rows, 4 columns, K) as (4, N, rows, columns, K)."""
    return [column.permute(2, 0, 1, 3, 4) for column in _tiles(maps).unbind(4)]


def _tiles(maps: Tensor) -> Tensor:
    count, height, width, channels = maps.shape
    return maps.view(count, height // TILE, TILE, width // TILE, TILE, channels)


# The paper's matrices, on one side of the tiles: sums that several rows share are computed once.


def _to_points(given: Entries, out: Entries) -> None:
    """B transposed."""
    even, odd = torch.sub(given[4], given[2], alpha=4), torch.sub(given[3], given[1], alpha=4)
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])
    torch.sub(given[4], given[2], out=even)
    torch.sub(given[3], given[1], out=odd)
    torch.add(even, odd, alpha=2, out=out[3])
    torch.sub(even, odd, alpha=2, out=out[4])
    torch.sub(given[0], given[2], out=out[0])
    torch.add(even, out[0], alpha=4, out=out[0])
    torch.sub(given[5], given[3], out=out[5])
    out[5].sub_(odd, alpha=4)


def _add_to_points_adjoint(given: Entries, out: Entries) -> None:
    """B, added to `out`: tiles overlap, the last two inputs of one are the first two of the next."""
    plus, minus = given[1] + given[2], given[1] - given[2]
    out[0].add_(given[0], alpha=4)
    out[1].add_(given[5], alpha=4).sub_(minus, alpha=4)
    out[2].sub_(given[0], alpha=5).sub_(plus, alpha=4)
    out[3].sub_(given[5], alpha=5).add_(minus)
    out[4].add_(given[0]).add_(plus)
    out[5].add_(given[5])
    torch.add(given[3], given[4], out=plus)
    torch.sub(given[3], given[4], out=minus)
    out[1].sub_(minus, alpha=2)
    out[2].sub_(plus)
    out[3].add_(minus, alpha=2)
    out[4].add_(plus)


def _outputs(given: Entries, out: Entries) -> None:
    """A transposed."""
    near, far = given[1] + given[2], given[3] + given[4]
    torch.add(near, far, alpha=4, out=out[2])
    near.add_(far)
    torch.add(near, given[0], out=out[0])
    torch.sub(given[1], given[2], out=near)
    torch.sub(given[3], given[4], out=far)
    torch.add(near, far, alpha=2, out=out[1])
    near.add_(far, alpha=8)
    torch.add(near, given[5], out=out[3])


def _outputs_adjoint(given: Entries, out: Entries) -> None:
    """A."""
    even, odd = given[0] + given[2], given[1] + given[3]
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])
    torch.add(given[0], given[2], alpha=4, out=even)
    torch.add(given[1], given[3], alpha=4, out=odd)
    torch.add(even, odd, alpha=2, out=out[3])
    torch.sub(even, odd, alpha=2, out=out[4])
    out[0].copy_(given[0])
    out[5].copy_(given[3])
