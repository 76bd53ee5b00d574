import numpy as np
import pytest

from kbert.sizes.distances import buckets_of


@pytest.mark.parametrize(("buckets", "longest"), [(256, 512), (8, 12), (2, 40), (0, 12)])
def test_buckets_are_those_of_transformers(buckets, longest):
    torch = pytest.importorskip("torch")
    modeling = pytest.importorskip("transformers.models.deberta_v2.modeling_deberta_v2")
    row = torch.zeros(1, 1024, 1)
    theirs = modeling.build_relative_position(row, row, buckets, longest)[0].numpy()
    places = np.arange(1024)
    ours = buckets_of(places[:, None] - places, buckets, longest)
    np.testing.assert_array_equal(ours, theirs)
