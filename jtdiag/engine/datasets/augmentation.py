"""Data augmentation: random crops and horizontal flips of training images, a batch at a time.

Transformations are drawn separately from being applied, so that all members and all λ of a trial
see the same images. Shape suffixes: B examples, C channels, H and W pixels.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from jtdiag.errors import DataError

PADDING = 4
"""Pixels of black padding on each side before a random crop, as in the authors' pipeline."""


def draw(examples: int, generator: torch.Generator) -> Tensor:
    """Draw a random transformation for each example, (3, B) on the CPU: down, right, flip.

    The first two are the offset of the crop in the padded image, 0 … 8; the last is 0 or 1. All
    three are always drawn, so that flips are the same with and without crops.
    """
    ends = (2 * PADDING + 1, 2 * PADDING + 1, 2)
    return torch.stack([torch.randint(end, (examples,), generator=generator) for end in ends])


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random crops and horizontal flips of normalized images."""

    crop: bool
    flip: bool
    black_C: Tensor
    """Normalized value of black per channel: torchvision pads the raw image with 0, and these
    images are already normalized."""

    @classmethod
    def of(
        cls,
        names: Collection[str],
        input_shape: Sequence[int],
        moments: tuple[Sequence[float], Sequence[float]],
        like: Tensor,
    ) -> Self:
        """Create the augmentation that data.augment asks for.

        Args:
            names: "crop", "flip", or both.
            input_shape: Shape of one example, (C, H, W).
            moments: Per-channel mean and standard deviation that normalized the images.
            like: A tensor with the dtype and device of the images.

        Raises:
            DataError: if the examples are not images.
        """
        if len(input_shape) != 3:
            raise DataError(
                f"data.augment is {', '.join(sorted(names))}, which needs images (channels, "
                f"height, width), but an example has shape {tuple(input_shape)}; "
                "remove data.augment."
            )
        mean, sd = (like.new_tensor(values) for values in moments)
        black = torch.zeros_like(mean).sub_(mean).div_(sd)
        return cls(crop="crop" in names, flip="flip" in names, black_C=black)

    @torch.no_grad()
    def __call__(self, x: Tensor, transforms: Tensor) -> Tensor:
        """Apply transformations (3, …), drawn by `draw`, to images (…, C, H, W); x is unchanged."""
        height, width = x.shape[-2:]
        images = x.reshape(-1, *x.shape[-3:])
        down_B, right_B, flip_B = transforms.reshape(3, -1)
        rows_BH = torch.arange(height, device=x.device).expand(len(images), -1)
        columns_BW = torch.arange(width, device=x.device).expand(len(images), -1)
        if self.flip:
            columns_BW = torch.where(flip_B[:, None] == 1, columns_BW.flip(1), columns_BW)
        if self.crop:
            rows_BH, columns_BW = rows_BH + down_B[:, None], columns_BW + right_B[:, None]
            images = self._padded(images)
        index = rows_BH[:, :, None] * images.shape[-1] + columns_BW[:, None, :]
        index = index.flatten(1)[:, None].expand(-1, images.shape[1], -1)
        return images.flatten(2).gather(2, index).view(x.shape)

    def _padded(self, images: Tensor) -> Tensor:
        """Return images (B, C, H, W) with black padding on all sides."""
        count, channels, height, width = images.shape
        padded = images.new_empty(count, channels, height + 2 * PADDING, width + 2 * PADDING)
        padded[:] = self.black_C[:, None, None]
        padded[:, :, PADDING:-PADDING, PADDING:-PADDING] = images
        return padded
