"""What was sampled independently in a task: the record's cluster, where it tells samples apart, else the images."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

IMAGES_PER_CLUSTER = 10
"""From so many different images a cluster on, few labels name kinds or sources of images and not what was sampled."""
MANY_IMAGES = 20
"""Of so many images on, a label that more than half of them share says where they come from."""
FEW = 50
"""Below so many clusters the intervals of clustered methods are too narrow in any case (docs/statistics.md)."""


@dataclass(frozen=True, eq=False)
class Groups:
    """The independent group of each sample.

    Attributes:
        labels: [n]; missing where a sample stands for itself.
        note: Why the records' clusters were not taken; empty where they were, or where there are none.
    """

    labels: pd.Series
    note: str = ""


def groups(cluster: pd.Series, images: pd.Series) -> Groups:
    """The groups of the samples of one task.

    A cluster holds samples of one image, pair or scene. A column with one label for all samples although they show
    three or more images, with a label that more than half of `MANY_IMAGES` or more share, or with fewer than `FEW`
    labels of `IMAGES_PER_CLUSTER` images and more on average, does not say which samples go together: the images do.

    Args:
        cluster: The records' cluster of each sample; missing where it has none.
        images: The digests of each sample's images, a tuple.
    """
    shown = images.map(lambda digests: "+".join(digests) or None)
    labelled = cluster.notna() & shown.notna()
    n_clusters, n_images = cluster[labelled].nunique(), shown[labelled].nunique()
    one_for_all = n_clusters == 1 and n_images > 2 and bool(labelled.all())
    most = cluster[labelled & ~pd.DataFrame({"cluster": cluster, "shown": shown}).duplicated()].value_counts().max()
    dominant = n_images >= MANY_IMAGES and 2 * most > n_images
    if one_for_all or dominant or (0 < n_clusters < FEW and n_images >= IMAGES_PER_CLUSTER * n_clusters):
        labels = "label" if n_clusters == 1 else "labels"
        return Groups(
            shown.where(shown.notna(), cluster),
            f"the records' clusters have {n_clusters} {labels} for {n_images} different images and do not say "
            "which samples go together; those of the same images are taken as one cluster",
        )
    return Groups(cluster.where(cluster.notna(), shown))
