"""Functional programs in the format of CLEVR v1.0, one for each question family."""


def step(function, *inputs, **extra):
    return {"function": function, "inputs": list(inputs), "value_inputs": [], **extra}


SCENE = step("scene")
RED = {**step("filter_color", 0), "value_inputs": ["red"]}
PROGRAMS = {
    "exist": [SCENE, RED, step("exist", 1)],
    "count": [SCENE, RED, step("unique", 1), step("relate", 2), step("count", 3)],
    "compare_integer": [SCENE, step("count", 0), SCENE, step("count", 2), step("greater_than", 1, 3)],
    "compare_attribute": [SCENE, RED, step("unique", 1), step("query_size", 2), step("equal_size", 3, 3)],
    "query_attribute": [SCENE, RED, step("unique", 1), step("relate", 2), step("relate", 3), step("query_shape", 4)],
}
ANSWERS = {"exist": "yes", "count": "3", "compare_integer": "no", "compare_attribute": "yes", "query_attribute": "cube"}
