from __future__ import annotations

import pandas as pd

from lens_report.subject import sampled_groups


def test_a_label_of_most_images_is_no_cluster():
    """MM-Vet's `image_source` calls most of its images COCO."""
    images = pd.Series([f"sha{i // 2}" for i in range(80)])
    labels = pd.Series(["COCO"] * 60 + ["VCR"] * 20)
    assert sampled_groups(labels, images).tolist() == images.tolist()


def test_labels_of_a_few_images_each_are_clusters():
    images = pd.Series([f"sha{i}" for i in range(80)])
    pairs = pd.Series([f"pair{i // 2}" for i in range(80)])
    assert sampled_groups(pairs, images).tolist() == pairs.tolist()


def test_a_run_of_a_few_images_keeps_its_clusters():
    images, pairs = pd.Series(["a", "b"]), pd.Series(["pair", "pair"])
    assert sampled_groups(pairs, images).tolist() == ["pair", "pair"]


def test_without_a_label_the_images_are_the_cluster():
    images = pd.Series(["a", "a", None])
    assert sampled_groups(pd.Series([None, None, None], dtype=object), images).tolist()[:2] == ["a", "a"]
    assert sampled_groups(pd.Series(["x", None, None]), images).tolist()[:2] == ["x", "a"]


def test_one_image_asked_about_often_is_one_cluster():
    images, labels = pd.Series(["a"] * 50), pd.Series(["a.jpg"] * 50)
    assert sampled_groups(labels, images).nunique() == 1
