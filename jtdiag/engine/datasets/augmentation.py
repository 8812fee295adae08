"""Augmentation: training images moved and mirrored anew in every epoch, a whole batch at once.

What is to happen to an example is drawn beforehand, apart from the doing, so that all members and
all lambdas of a trial see the same. Shape suffixes: B examples, C channels, H and W pixels.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from jtdiag.errors import DataError

PADDING = 4
"""Pixels of black that a crop may reach into on each side, as in the authors' pipeline."""


def draw(examples: int, generator: torch.Generator) -> Tensor:
    """Return what happens to each example, (3, B) on the CPU: down, right, mirrored.

    The first two are where the crop begins in the padded image, 0 … 8, and the last is 0 or 1.
    All three are drawn whatever a recipe uses, so that mirroring is the same with and without
    crops.
    """
    ends = (2 * PADDING + 1, 2 * PADDING + 1, 2)
    return torch.stack([torch.randint(end, (examples,), generator=generator) for end in ends])


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random crops and mirroring of normalised images."""

    crop: bool
    flip: bool
    black_C: Tensor
    """What black has become by normalising: torchvision pads the raw image with 0, and so must
    we, though our images have been normalised already."""

    @classmethod
    def of(
        cls,
        names: Collection[str],
        input_shape: Sequence[int],
        moments: tuple[Sequence[float], Sequence[float]],
        like: Tensor,
    ) -> Self:
        """Return what data.augment names, for images normalised by a mean and sd per channel.

        Args:
            names: "crop", "flip", or both.
            input_shape: Of one example; (C, H, W).
            moments: Mean and sd that normalised the images.
            like: A tensor of the type and on the device of the images.

        Raises:
            DataError: if the examples are not images.
        """
        if len(input_shape) != 3:
            raise DataError(
                f"data.augment asks for {' and '.join(sorted(names))}, which move pixels, and one "
                f"example has shape {tuple(input_shape)}; leave data.augment out, or give images "
                "(channels, height, width)."
            )
        mean, sd = (like.new_tensor(values) for values in moments)
        black = torch.zeros_like(mean).sub_(mean).div_(sd)
        return cls(crop="crop" in names, flip="flip" in names, black_C=black)

    @torch.no_grad()
    def __call__(self, x: Tensor, moves: Tensor) -> Tensor:
        """Return images (…, C, H, W) moved as drawn, (3, …) on their device; x stays as it is."""
        height, width = x.shape[-2:]
        images = x.reshape(-1, *x.shape[-3:])
        down_B, right_B, mirrored_B = moves.reshape(3, -1)
        rows_BH = torch.arange(height, device=x.device).expand(len(images), -1)
        columns_BW = torch.arange(width, device=x.device).expand(len(images), -1)
        if self.flip:
            columns_BW = torch.where(mirrored_B[:, None] == 1, columns_BW.flip(1), columns_BW)
        if self.crop:
            rows_BH, columns_BW = rows_BH + down_B[:, None], columns_BW + right_B[:, None]
            images = self._padded(images)
        at = rows_BH[:, :, None] * images.shape[-1] + columns_BW[:, None, :]
        at = at.flatten(1)[:, None].expand(-1, images.shape[1], -1)
        return images.flatten(2).gather(2, at).view(x.shape)

    def _padded(self, images: Tensor) -> Tensor:
        """Return images (B, C, H, W) in a frame of black."""
        count, channels, height, width = images.shape
        frame = images.new_empty(count, channels, height + 2 * PADDING, width + 2 * PADDING)
        frame[:] = self.black_C[:, None, None]
        frame[:, :, PADDING:-PADDING, PADDING:-PADDING] = images
        return frame
