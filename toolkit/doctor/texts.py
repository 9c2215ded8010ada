"""What the data doctor says of each kind of finding, in English and Chinese: what it is, and what to do about it."""

import re

from toolkit.base.languages import Message, Text

FINDINGS: dict[str, Message] = {  # by kind
    "leak": Message(
        sentence=Text(
            "{count:,} of {rows:,} rows of {file} also found in {other}, {exact:,} of them word for word",
            "{file} 的 {rows:,} 行中有 {count:,} 行也出现在 {other} 里，其中 {exact:,} 行逐字相同",
        ),
        advice=Text(
            "the score on them says nothing about new texts; --drop_leaked leaves them out of training",
            "这些行上的分数不能说明新文本的表现；--drop_leaked 会在训练时去掉它们",
        ),
    ),
    "near_leak": Message(
        sentence=Text(
            "{count:,} of {rows:,} rows of {file} nearly identical to a row of {other}",
            "{file} 的 {rows:,} 行中有 {count:,} 行与 {other} 中的某一行几乎相同",
        ),
        advice=Text(
            "look at them: if they say the same thing, the score on them is higher than it would be on new texts",
            "请查看：如果意思相同，这些行上的分数会高于新文本的分数",
        ),
    ),
    "shared": Message(
        sentence=Text(
            "{count:,} of {rows:,} rows of {file} also found in {other}, {exact:,} of them word for word",
            "{file} 的 {rows:,} 行中有 {count:,} 行也出现在 {other} 里，其中 {exact:,} 行逐字相同",
        ),
        advice=Text(
            "the best epoch is chosen on rows that are then scored again; remove them from one of the files",
            "挑选最好一轮时用到了之后要评分的行；请从其中一个文件里去掉它们",
        ),
    ),
    "group_leak": Message(
        sentence=Text(
            "{count:,} of {rows:,} rows of {file} are of groups that {other} has too ({column}; groups: {groups:,})",
            "{file} 的 {rows:,} 行中有 {count:,} 行所属的组也出现在 {other} 里（{column}，共 {groups:,} 组）",
        ),
        advice=Text(
            "the score on them is higher than it would be for new groups; --drop_leaked leaves these groups out of "
            "training",
            "这些行上的分数会高于新的组的分数；--drop_leaked 会在训练时去掉这些组",
        ),
    ),
    "shared_groups": Message(
        sentence=Text(
            "{count:,} of {rows:,} rows of {file} are of groups that {other} has too ({column}; groups: {groups:,})",
            "{file} 的 {rows:,} 行中有 {count:,} 行所属的组也出现在 {other} 里（{column}，共 {groups:,} 组）",
        ),
        advice=Text(
            "the best epoch is chosen on groups that are then scored again; keep each group in one of the files",
            "挑选最好一轮时用到了之后要评分的组；请让每一组只出现在一个文件里",
        ),
    ),
    "duplicates": Message(
        sentence=Text(
            "{count:,} of {rows:,} rows of {file} repeat an earlier one, but for spaces, width, case or Chinese script",
            "{file} 的 {rows:,} 行中有 {count:,} 行与前面的行相同（忽略空白、全半角、大小写和简繁体）",
        ),
        advice=Text(
            "each repeat counts once more; remove them unless that is intended",
            "每次重复都会多算一次；如果不是有意的，请去掉",
        ),
    ),
    "near_duplicates": Message(
        sentence=Text(
            "{count:,} of {rows:,} rows of {file} nearly identical to an earlier one",
            "{file} 的 {rows:,} 行中有 {count:,} 行与前面的某一行几乎相同",
        ),
        advice=Text(
            "check whether they are copies; a few do no harm",
            "请查看是否是复制的；少量没有关系",
        ),
    ),
    "conflicts": Message(
        sentence=Text(
            "{count:,} rows have a text that has another label elsewhere (distinct texts: {texts:,})",
            "{count:,} 行的文本在别处有不同的标签（共 {texts:,} 条文本）",
        ),
        advice=Text(
            "no model can get all of them right; decide on one label, or remove the text",
            "任何模型都不可能全对；请确定一个标签，或者去掉这条文本",
        ),
    ),
    "spellings": Message(
        sentence=Text(
            "{count:,} labels are each spelled in several ways, and count as several labels: {listed}",
            "{count:,} 个标签各有几种写法，被当作不同的标签：{listed}",
        ),
        advice=Text(
            "if they are one, {option} makes them one",
            "如果是同一个标签，请用 {option} 合并",
        ),
    ),
    "few_rows": Message(
        sentence=Text(
            "{count:,} of {labels:,} labels with fewer than {least} training rows: {listed}",
            "{labels:,} 个标签中有 {count:,} 个不足 {least} 行训练数据：{listed}",
        ),
        advice=Text(
            "a label needs at least a few dozen rows; add some, or merge it with another label",
            "每个标签至少需要几十行；请补充，或与别的标签合并",
        ),
    ),
    "joined": Message(
        sentence=Text(
            "{count:,} of {rows:,} training rows have labels that look like several joined, such as {example}",
            "{rows:,} 行训练数据中有 {count:,} 行的标签像是几个标签连在一起，例如 {example}",
        ),
        advice=Text(
            "--multi_label --label_separator {separator} learns each of them by itself",
            "用 --multi_label --label_separator {separator} 可以分别学习每个标签",
        ),
    ),
    "never_set": Message(
        sentence=Text(
            "{count:,} columns of labels that no training row has: {listed}",
            "有 {count:,} 个标签列在训练数据里没有任何一行为真：{listed}",
        ),
        advice=Text(
            "nothing can be learned of them, so the model has no such labels; add rows, or leave the columns out",
            "无从学习，所以模型里没有这些标签；请补充数据，或去掉这些列",
        ),
    ),
    "always_set": Message(
        sentence=Text(
            "{count:,} labels that every training row has: {listed}",
            "有 {count:,} 个标签是每一行训练数据都有的：{listed}",
        ),
        advice=Text(
            "the model will always predict them; add rows without them, or leave them out",
            "模型会总是预测它们；请补充没有它们的行，或去掉它们",
        ),
    ),
    "together": Message(
        sentence=Text(
            "{count:,} pairs of labels that always come together: {listed}", "有 {count:,} 对标签总是一起出现：{listed}"
        ),
        advice=Text(
            "they may be two names of one label: --map_labels makes them one",
            "它们可能是同一个标签的两个名字：可用 --map_labels 合并",
        ),
    ),
    "no_label": Message(
        sentence=Text(
            "{count:,} of {rows:,} training rows have no label", "{rows:,} 行训练数据中有 {count:,} 行没有标签"
        ),
        advice=Text(
            "if they were not labelled yet, leave them out: the model learns to predict nothing from them",
            "如果它们还没有标注，请去掉：模型会从中学到什么都不预测",
        ),
    ),
    "missing_labels": Message(
        sentence=Text(
            "{count:,} of {labels:,} labels missing from {file}: {listed}",
            "{labels:,} 个标签中有 {count:,} 个没有出现在 {file} 里：{listed}",
        ),
        advice=Text(
            "how well they are recognized is not measured there; add rows with these labels",
            "它们识别得如何无从衡量；请加入这些标签的行",
        ),
    ),
    "imbalance": Message(
        sentence=Text(
            "{share:.0%} of the training rows have the label {label}, {ratio:,.0f} times as many as the rarest label",
            "{share:.0%} 的训练行是标签 {label}，是最少的标签的 {ratio:,.0f} 倍",
        ),
        advice=Text(
            "always predicting {label} already has an accuracy of {share:.0%}: use --metric macro_f1, and if rare "
            "labels are missed --class_weight balanced",
            "总是回答 {label} 就有 {share:.0%} 的准确率：请用 --metric macro_f1；少见的标签总被漏掉时再加 "
            "--class_weight balanced",
        ),
    ),
    "sorted": Message(
        sentence=Text(
            "the rows of {file} are sorted by label: {runs:,} runs of one label, about {expected:,} expected",
            "{file} 按标签排序：只有 {runs:,} 段，随机顺序下约为 {expected:,} 段",
        ),
        advice=Text(
            "training shuffles them, so this does no harm here; but do not use its first rows as a sample",
            "训练时会打乱，这里没有影响；但不要取开头的若干行当样本",
        ),
    ),
    "empty": Message(
        sentence=Text(
            "rows of {file} without any token that the model knows: {count:,}",
            "{file} 有 {count:,} 行不含模型认识的任何词元",
        ),
        advice=Text(
            "nothing can be learned from them; remove them, or choose a model that knows their tokens",
            "从中学不到东西；请去掉，或换一个认识它们的模型",
        ),
    ),
    "truncated": Message(
        sentence=Text(
            "{count:,} of {rows:,} rows of {file} longer than the {max_length:,} tokens that are read",
            "{file} 的 {rows:,} 行中有 {count:,} 行超过会读到的 {max_length:,} 个词元",
        ),
        advice=Text(
            "the rest is never read: raise --max_length if the model can, or use --long_texts windows (--max_windows)",
            "其余部分模型读不到：如果模型支持，请提高 --max_length，或用 --long_texts windows（--max_windows）",
        ),
    ),
    "long": Message(
        sentence=Text(
            "rows of {file} with more than {times:,} times the median number of tokens ({middle:,}): {count:,}",
            "{file} 有 {count:,} 行的长度超过中位数（{middle:,} 个词元）的 {times:,} 倍",
        ),
        advice=Text(
            "check whether something else got into them, such as several texts without line breaks between",
            "请查看是否混进了别的内容，例如几条文本之间少了换行",
        ),
    ),
    "unknown": Message(
        sentence=Text(
            "{share:.1%} of the characters of {file} are unknown to the model's tokenizer",
            "{file} 有 {share:.1%} 的字符是模型的分词器不认识的",
        ),
        advice=Text(
            "the model does not see them; another model may know them",
            "模型看不到它们；别的模型也许认识",
        ),
    ),
    "scripts": Message(
        sentence=Text(
            "{count:,} of {rows:,} rows of {file} not in the script of most training rows ({script}): {others}",
            "{file} 的 {rows:,} 行中有 {count:,} 行的文字与多数训练行（{script}）不同：{others}",
        ),
        advice=Text(
            "the model must know these languages too: use a multilingual one, or one file per language",
            "模型也要懂这些语言；请用多语言模型，或每种语言各用一个文件",
        ),
    ),
    "length_tells": Message(
        sentence=Text(
            "length alone predicts the label of {score:.0%} of the training rows; always {label}, of {share:.0%}",
            "只看长度就能猜对 {score:.0%} 的训练行的标签，总是回答 {label} 则猜对 {share:.0%}",
        ),
        advice=Text(
            "a model may learn the length instead of the meaning; look at the scores by length",
            "模型可能学到的是长度而不是意思；请查看各长度上的分数",
        ),
    ),
}
SAID: dict[str, Text] = {  # on the screen, of findings
    "none": Text(
        "none: no duplicates, leaks or conflicting labels, and nothing else that looks wrong",
        "没有问题：没有重复、泄漏或矛盾的标签，也没有其他异常",
    ),
    "more": Text("--check_data shows examples and says what to do", "--check_data 会列出例子并说明该怎么办"),
    "location": Text('{file}, {place} ({label}): "{text}"', "{file}，{place}（{label}）：“{text}”"),
    "row": Text("    {row}", "    {row}"),
    "same_row": Text("      = {row}", "      = {row}"),
    "leaked": Text(
        "{rows} of {file} left out: also found in {others} (--drop_leaked)",
        "{file} 有 {rows}不用于训练：也出现在 {others} 里（--drop_leaked）",
    ),
    "group_leaked": Text(
        "{rows} of {file} left out: of a group that is also in {others} (--drop_leaked)",
        "{file} 有 {rows}不用于训练：所属的组也出现在 {others} 里（--drop_leaked）",
    ),
    "all_groups_leaked": Text(
        "--drop_leaked: every row of {file} or its group is also in {others}, so none is left to train on",
        "--drop_leaked：{file} 的每一行或它所属的组都也在 {others} 里，没有剩下可训练的行",
    ),
    "all_leaked": Text(
        "--drop_leaked: every row of {file} is also in {others}, so none is left to train on",
        "--drop_leaked：{file} 的每一行都也在 {others} 里，没有剩下可训练的行",
    ),
    "or": Text(" or ", " 或 "),
}
HELD_OUT = Text("{file} (held out)", "{file}（留出部分）")  # the rows for validation of a training file
LABEL_ERRORS: dict[str, Text] = {
    "fold": Text(
        "fold {number} of {count}: {held_out:,} of {total:,} rows held out",
        "第 {number} 折（共 {count} 折）：{total:,} 行中留出 {held_out:,} 行",
    ),
    "suspicious": Text(
        "{errors:,} of {rows:,} rows worth a second look, the most suspicious first: {file}",
        "{rows:,} 行中有 {errors:,} 行值得再看一遍，最可疑的在前：{file}",
    ),
    "none_suspicious": Text(
        "{errors:,} of {rows:,} rows worth a second look; {file} is empty",
        "{rows:,} 行中有 {errors:,} 行值得再看一遍；{file} 是空的",
    ),
    "no_label": Text("a row without a label", "没有标签的行"),
    "looks_like": Text("    {row} looks like {label}", "    {row} 更像是 {label}"),
    "not_judged": Text(
        "{rows} not judged, because no other fold has the label", "{rows}没有判断，因为其他折里没有这个标签"
    ),
    "too_many_folds": Text(
        "--folds {count}: there are too few rows for that many; use --folds {most}",
        "--folds {count}：数据太少，分不了这么多折；请用 --folds {most}",
    ),
}
SCRIPTS: dict[str, str] = {  # in Chinese
    "Arabic": "阿拉伯文",
    "Chinese": "汉字",
    "Cyrillic": "西里尔字母",
    "Devanagari": "天城文",
    "Greek": "希腊字母",
    "Hebrew": "希伯来文",
    "Japanese": "日文",
    "Korean": "韩文",
    "Latin": "拉丁字母",
    "Thai": "泰文",
    "none": "无",
}


def shown_file(name: str) -> Text:
    """Return in both languages what a file is called in a finding, which has the English name."""
    ending = HELD_OUT.en.format(file="")
    return HELD_OUT.fill(file=name.removesuffix(ending)) if name.endswith(ending) else Text(name, name)


def scripts_in_chinese(names: str) -> str:
    """Return English names of scripts, with whatever stands between them, in Chinese."""
    return re.sub("[A-Za-z]+", lambda name: SCRIPTS.get(name.group(), name.group()), names)
