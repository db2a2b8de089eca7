"""An independent reading of questions: straight from ground truth, sharing no code with the program executor."""

from __future__ import annotations

from lens_tasks.scenes.questions import Noun, Phrase, Question
from lens_tasks.scenes.world import Scene, Solid


def described(noun: Noun, solid: Solid) -> bool:
    wanted = [noun.size, noun.color, noun.material, noun.shape]
    has = [solid.size, solid.color, solid.material, solid.shape]
    return all(want is None or want == got for want, got in zip(wanted, has, strict=True))


def chosen(phrase: Phrase, scene: Scene) -> list[Solid]:
    solids = [solid for solid in scene.solids if described(phrase.noun, solid)]
    if phrase.anchor is None:
        return solids
    (anchor,) = chosen(phrase.anchor, scene)
    match phrase.link:
        case "left":
            return [s for s in solids if s.x - anchor.x < 0]
        case "right":
            return [s for s in solids if anchor.x - s.x < 0]
        case "front":
            return [s for s in solids if anchor.y - s.y < 0]
        case "behind":
            return [s for s in solids if s.y - anchor.y < 0]
        case "same_color":
            return [s for s in solids if s is not anchor and s.color == anchor.color]
        case "same_shape":
            return [s for s in solids if s is not anchor and s.shape == anchor.shape]
        case "same_size":
            return [s for s in solids if s is not anchor and s.size == anchor.size]
        case "same_material":
            return [s for s in solids if s is not anchor and s.material == anchor.material]
        case other:
            raise AssertionError(f"unexpected link {other}")


def reference_answer(question: Question, scene: Scene) -> str:
    groups = [chosen(phrase, scene) for phrase in question.phrases]
    sizes = [len(group) for group in groups]
    match question.family, question.detail:
        case "exist", _:
            return "yes" if sizes[0] > 0 else "no"
        case "count", _:
            return f"{sizes[0]}"
        case "compare_integer", "equal":
            return "yes" if sizes[0] - sizes[1] == 0 else "no"
        case "compare_integer", "greater":
            return "yes" if sizes[0] - sizes[1] > 0 else "no"
        case "compare_integer", "less":
            return "yes" if sizes[1] - sizes[0] > 0 else "no"
        case "compare_attribute", name:
            (one,), (two,) = groups
            return "yes" if vars(one)[name] == vars(two)[name] else "no"
        case "query_attribute", name:
            (one,) = groups[0]
            return str(vars(one)[name])
        case other:
            raise AssertionError(f"unexpected question {other}")
