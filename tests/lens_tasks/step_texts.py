"""Responses with their steps, decided by hand: ⟦ ⟧ stand around each step, ¦ before the answer where it is known.

`{` and `}` stand around what closes a reasoning block, up to the next step or the answer. A text without braces has no
closed block.
"""

PLAIN = [
    # numbered, English
    "⟦Step 1: the large red cube.⟧ ⟦Step 2: 3 things left of it.⟧ Answer: ¦3",
    "⟦Step 1: the large red cube⟧\n⟦Step 2: 3 things left of it⟧\nAnswer: ¦3",
    "⟦**Step 1:** Find the cube.⟧\n\n⟦**Step 2:** Count what is left of it.⟧\n\n**Answer:** ¦3",
    "⟦### Step 1\nThe cube is red.\nIt is large.⟧\n\n⟦### Step 2\nNothing else is red.⟧\n\nFinal answer: ¦yes",
    "⟦Step 1: Look at the cube.⟧ ⟦Step 2: It is red.⟧ ⟦Therefore it is not blue.⟧ The answer is ¦no.",
    "⟦1. The red cube is on the left.⟧\n⟦2. Two spheres are right of it.⟧\nAnswer: ¦2",
    "⟦1) The red cube is on the left.⟧\n⟦2) Two spheres are right of it.⟧\n\nAnswer: ¦2",
    "⟦1. The cube is red.⟧\n⟦2. The sphere is blue.⟧\n3. So the answer is ¦no.",
    "⟦Let us count.⟧\n⟦1. a red cube⟧\n⟦2. a blue cube⟧\n⟦There are no others.⟧\nSo there are ¦2",
    "⟦(1) The cube is red.⟧\n⟦(2) The sphere is red.⟧\nAnswer: ¦yes",
    "⟦First I look: 1) the cube is red,⟧ ⟦2) the sphere is red.⟧ Answer: ¦yes",
    "⟦Step 1. Cube: red. Step 2 is not needed, says the cube.⟧\n⟦Step 2. Sphere: red.⟧\nAnswer: ¦yes",
    "⟦Step #1: red⟧\n⟦Step #2: blue⟧\n\\boxed{¦no}",
    "⟦Stage 1: red.⟧ ⟦Stage 2: blue.⟧ #### ¦no",
    "⟦Step 1: the cube is red.⟧ Answer: ¦red",
    "⟦Step 1: 3.⟧ ⟦Step 2: 2.⟧ Answer: ¦no",
    "⟦1. 3.⟧\n⟦2. 2.⟧\nAnswer: ¦no",
    "⟦1. The cube is red.⟧ ¦Red",
    # sentences and lines, English
    "⟦The cube is red.⟧ ⟦The sphere is blue.⟧ Answer: ¦no",
    "⟦The cube is red.⟧ ⟦The sphere is blue!⟧ So the answer is ¦no.",
    "⟦The cube is red⟧\n⟦The sphere is blue⟧\nAnswer: ¦no",
    "⟦It is 3.5 cm wide, e.g. as wide as the sphere.⟧ ⟦Mr. Smith is right.⟧ Answer: ¦yes",
    '⟦Is it red?⟧ ⟦"Yes."⟧ ⟦It is (quite) red.)⟧ Answer: ¦yes',
    "⟦- the cube is red⟧\n⟦- the sphere is blue⟧\n\nAnswer:\n¦no",
    "⟦The cube... it is red.⟧ Answer: ¦red".replace("...", "\u2014"),
    "⟦Hmm...⟧ ⟦The cube is red.⟧ Answer: ¦red",
    "⟦A. Turing drew a red thing.⟧ Answer: ¦red",
    "⟦The cube is option B.⟧ ⟦It is red, so no.⟧ ⟦See no. 5 etc. for more.⟧ Answer: ¦red",
    "⟦Ширина куба 3 см.⟧ ⟦Он красный.⟧ Ответ: ¦да",
    "⟦The red cube is seen\nleft of the sphere.⟧ Answer: ¦yes".replace("seen\nleft", "seen left"),
    "⟦Reason one is colour; reason two is size.⟧ Answer: ¦yes",
    "Reasoning: ⟦The cube is red.⟧ ⟦The sphere is red.⟧\nAnswer: ¦yes",
    "**Explanation:** ⟦The cube is red.⟧\n**Answer:** ¦red",
    # no steps
    "¦3",
    "Answer: ¦3",
    "The answer is ¦B.",
    "**¦Yes**, because the cube is red. The sphere is red too.",
    "",
    "...",
    # numbered, Russian
    "⟦Шаг 1: большой красный куб.⟧ ⟦Шаг 2: слева от него 3 предмета.⟧ Ответ: ¦3",
    "⟦Шаг 1. Нахожу куб.⟧\n⟦Шаг 2. Он красный.⟧\n\nОТВЕТ: ¦красный",
    "⟦1. Красный куб слева.⟧\n⟦2. Справа от него две сферы.⟧\nОтвет: ¦2",
    "⟦Этап 1: куб.⟧ ⟦Этап 2: сфера.⟧ Итоговый ответ: ¦нет",
    "⟦Шаг №1: куб⟧\n⟦Шаг №2: сфера⟧\nОтвет: ¦нет",
    # sentences, Russian
    "РАССУЖДЕНИЕ: ⟦нахожу предмет и смотрю на его цвет.⟧\nОТВЕТ: ¦красный",
    "Рассуждение.\n⟦Куб красный, т. е. не синий.⟧ ⟦Сфера синяя.⟧\nОтвет: ¦нет",
    "⟦Куб красный.⟧ ⟦Сфера синяя…⟧ Значит, ответ: ¦нет",
    "⟦Куб красный и т. д. как на рис. 1.⟧ Ответ: ¦да",
    "⟦«Куб красный.»⟧ ⟦Это видно.⟧ Ответ: ¦да",
    # cut off, or no answer located
    "⟦Step 1: the large red cube.⟧ ⟦Step 2: 3 things left of⟧",
    "⟦1. The cube is red.⟧\n⟦2. The sph⟧",
    "⟦The cube is red.⟧ ⟦The sphere is⟧",
    "⟦Шаг 1: куб.⟧ ⟦Шаг 2: сфера сле⟧",
    "⟦Perhaps yes.⟧ ⟦Perhaps no.⟧",
    "⟦The cube is red.⟧ Answer: red or green",
    "РАССУЖДЕНИЕ: ⟦смотрю.⟧\nОТВЕТ: не знаю",
    # numbers that count nothing
    "⟦2. The cube is red.⟧ Answer: ¦red",
    "⟦There are 2) brackets.⟧ Answer: ¦yes",
    "⟦Step 1: 1. red⟧\n⟦Step 2: 1. blue⟧\nAnswer: ¦no",
    # other scripts
    "⟦立方体是红色的。⟧⟦球是蓝色的。⟧答案：¦否",
    "⟦Ｓｔｅｐ １： red．⟧ ⟦Ｓｔｅｐ ２： blue．⟧ Answer： ¦no",
]

BLOCKS = [
    "<think>⟦The cube is red.⟧ ⟦The sphere is blue.⟧{</think>\n\n}¦no",
    "<think>\n⟦Step 1: cube.⟧\n⟦Step 2: sphere.⟧{\n</think>\nAnswer: }¦no",
    "<think>⟦Куб красный.⟧ ⟦Сфера синяя⟧{</think> Ответ: }¦нет",
    "<think>⟦The cube is red.⟧{</think>\n\n}⟦The picture shows a red cube.⟧ The answer is ¦red",
    "<think>⟦One.⟧</think>\n<think>⟦Two.⟧{</think> }¦yes",
    "<thinking>⟦It is red⟧{</thinking><answer>}¦red</answer>",
    "◁think▷⟦Red.⟧{◁/think▷}¦red",
    "[THINK]⟦Red.⟧{[/THINK]}¦red",
    "<think></think>¦red",
    "<think>\n\n</think>\n\n⟦The cube is red.⟧ Answer: ¦red",
    "Sure. <think>⟦The cube is red.⟧{</think>}¦red",
    "<|channel|>analysis<|message|>⟦Red.⟧{<|channel|>final<|message|>}¦red",
    # opened by the template: nothing in the text opens it
    "⟦The cube is red.⟧ ⟦So it is.⟧{\n</think>\n\n}¦red",
    "⟦1. куб⟧\n⟦2. сфера⟧{</think>}¦нет",
    # never closed
    "<think>⟦The cube is red.⟧ ⟦The sphere is⟧",
    "<think>⟦Step 1: cube.⟧ ⟦Step 2: sph⟧",
    # the answer inside the block, as a task's filter may take it
    "<think>⟦The cube is red.⟧ The answer is ¦red",
]

OPENED = [
    # the prompt opens the block
    "⟦The cube is red.⟧{</think>}¦red",
    "⟦The cube is red.⟧ ⟦The sphere⟧",
    "<think>⟦The cube is red.⟧{</think>}¦red",
    "⟦Then <think> would open one.⟧{</think>}¦red",
]
