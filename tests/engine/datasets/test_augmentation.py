import pytest
import torch
from hypothesis import given, strategies as st

from jtdiag.engine.datasets.augmentation import PADDING, Augmentation, draw
from jtdiag.errors import DataError

MEAN, SD = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
FLIP_AND_CROP = ("crop", "flip")


def raw(count=6, channels=3, height=7, width=5, seed=0):
    """Images in [0, 1], of as many channels as there are moments."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, channels, height, width, generator=generator)


def normalised(x):
    """As the engine normalises a whole data set."""
    mean, sd = (torch.tensor(m[: x.shape[1]]).view(-1, 1, 1) for m in (MEAN, SD))
    return x.clone().sub_(mean).div_(sd)


def augmentation(names=FLIP_AND_CROP, like=None, channels=3):
    like = torch.zeros(1) if like is None else like
    return Augmentation.of(names, (channels, 7, 5), (MEAN[:channels], SD[:channels]), like)


def one_by_one(x, moves, names=FLIP_AND_CROP):
    """The slow, obvious version, on raw images: pad with 0, cut out, mirror, then normalise."""
    height, width = x.shape[-2:]
    found = []
    for image, (down, right, mirrored) in zip(x, moves.T.tolist(), strict=True):
        if "crop" in names:
            image = torch.nn.functional.pad(image, [4, 4, 4, 4])
            image = image[:, down : down + height, right : right + width]
        if "flip" in names and mirrored:
            image = image.flip(-1)
        found.append(image)
    return normalised(torch.stack(found))


@pytest.mark.slow
@pytest.mark.parametrize("names", [("crop",), ("flip",), FLIP_AND_CROP])
@given(
    count=st.integers(1, 9),
    channels=st.integers(1, 3),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    seed=st.integers(0, 2**32),
)
def test_a_batch_moves_as_raw_images_do_one_by_one(names, count, channels, height, width, seed):
    x = raw(count, channels, height, width, seed)
    moves = draw(count, torch.Generator().manual_seed(seed))
    found = augmentation(names, channels=channels)(normalised(x), moves)
    assert torch.equal(found, one_by_one(x, moves, names))


def test_every_place_of_the_crop_is_reached_and_the_middle_one_is_the_image_itself():
    places = torch.cartesian_prod(torch.arange(9), torch.arange(9), torch.arange(2)).T
    x = raw(1).expand(places.shape[1], -1, -1, -1)
    found = augmentation()(normalised(x), places)
    assert torch.equal(found, one_by_one(x, places))
    middle = (places == torch.tensor([[PADDING], [PADDING], [0]])).all(0)
    assert torch.equal(found[middle][0], normalised(x)[0])


def test_what_lies_outside_is_as_black_as_black_in_the_data():
    black = normalised(torch.zeros(1, 3, 7, 5))
    corner = torch.tensor([[0], [0], [0]])
    found = augmentation()(normalised(raw(1)), corner)
    assert torch.equal(found[..., :PADDING, :], black[..., :PADDING, :])
    assert torch.equal(found[..., :PADDING], black[..., :PADDING])


def test_lanes_move_as_if_each_were_alone():
    x = normalised(raw(12)).view(2, 6, 3, 7, 5)
    moves = draw(12, torch.Generator().manual_seed(1)).view(3, 2, 6)
    found = augmentation()(x, moves)
    for lane in range(2):
        assert torch.equal(found[lane], augmentation()(x[lane], moves[:, lane]))


def test_an_epoch_cut_into_batches_moves_as_the_whole_does():
    x, moves = normalised(raw(7)), draw(7, torch.Generator().manual_seed(2))
    whole = augmentation()(x, moves)
    pieces = [augmentation()(x[at], moves[:, at]) for at in (slice(0, 4), slice(4, 7))]
    assert torch.equal(torch.cat(pieces), whole)


def test_what_is_drawn_hangs_on_its_generator_and_on_nothing_else():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = draw(50, torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(draw(50, torch.Generator().manual_seed(3)), first)
    assert not torch.equal(draw(50, torch.Generator().manual_seed(4)), first)


def test_places_and_mirrorings_are_drawn_evenly_and_apart_from_each_other():
    count = 81_000
    down, right, mirrored = draw(count, torch.Generator().manual_seed(0))
    of_each = torch.bincount((down * 9 + right) * 2 + mirrored, minlength=162)
    assert len(of_each) == 162
    deviation = (of_each - count / 162).abs().max() / (count / 162) ** 0.5
    assert deviation < 4.5  # standard deviations; the largest of 162 is above this once in 900


def test_the_images_that_were_given_stay_as_they_are():
    x = normalised(raw())
    before = x.clone()
    found = augmentation()(x, draw(6, torch.Generator().manual_seed(0)))
    assert torch.equal(x, before)
    assert found.dtype == x.dtype
    assert found.is_contiguous()


def test_images_in_channels_last_order_move_alike():
    x, moves = normalised(raw()), draw(6, torch.Generator().manual_seed(0))
    last = x.to(memory_format=torch.channels_last)
    assert torch.equal(augmentation()(last, moves), augmentation()(x, moves))


def test_nothing_is_read_back_from_the_device():
    """Tensors without numbers raise an error when somebody asks for their numbers."""
    x = normalised(raw()).to("meta")
    moves = draw(6, torch.Generator()).to("meta")
    assert augmentation(like=x)(x, moves).shape == x.shape


def test_vectors_are_refused_with_what_to_do():
    with pytest.raises(DataError, match=r"crop, flip.* shape \(2,\); remove data\.augment"):
        Augmentation.of(FLIP_AND_CROP, (2,), (MEAN, SD), torch.zeros(1))
