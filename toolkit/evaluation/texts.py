"""What is printed of scores beside those of simple methods and of other runs, in English and Chinese side by side."""

from toolkit.base.languages import Text

METHODS: dict[str, Text] = {  # simple ones
    "most_frequent_label": Text("always the most frequent label", "总是回答最常见的标签"),
    "most_frequent_set": Text("always the most frequent set of labels", "总是回答最常见的标签组合"),
    "tfidf": Text("TF-IDF and a linear classifier", "TF-IDF 加线性分类器"),
}
BASELINES: dict[str, Text] = {
    "comparison": Text(
        "for comparison: {method} has accuracy {accuracy:.4f}, macro f1 {macro_f1:.4f}",
        "作为对照：{method}的准确率是 {accuracy:.4f}，宏平均 F1 是 {macro_f1:.4f}",
    ),
    "label_sets": Text(
        "for comparison: {method} has micro f1 {micro_f1:.4f}, macro f1 {macro_f1:.4f}",
        "作为对照：{method}的微平均 F1 是 {micro_f1:.4f}，宏平均 F1 是 {macro_f1:.4f}",
    ),
}
BIAS: dict[str, Text] = {
    "measured": Text(
        "{metric} {difference:+.4f} (95% interval {low:+.4f} to {high:+.4f})",
        "{metric} {difference:+.4f}（95% 区间 {low:+.4f} 到 {high:+.4f}）",
    ),
    "kept": Text(
        "--threshold auto: each label has a bias; on held-out validation rows, {measured}",
        "--threshold auto：每个标签有一个偏置；在留出的验证行上，{measured}",
    ),
    "not_kept": Text(
        "--threshold auto: no bias is kept, since it may not help; on held-out validation rows, {measured}",
        "--threshold auto：偏置不一定有用，所以不用；在留出的验证行上，{measured}",
    ),
}
ABSTENTION: dict[str, Text] = {  # where no label is predicted
    "answers": Text(
        (
            "--abstain_for {accuracy:g}: a prediction needs a probability of at least {threshold:.4f}; {share:.1%} of "
            "the {rows:,} validation rows have it, {reached:.2%} of these right (with a confidence of {confidence:.1%} "
            "at least {bound:.2%})"
        ),
        (
            "--abstain_for {accuracy:g}：概率不低于 {threshold:.4f} 才给出预测；{rows:,} 行验证数据中"
            "有 {share:.1%} 达到，其中 {reached:.2%} 正确（置信度 {confidence:.1%} 下至少 {bound:.2%}）"
        ),
    ),
    "not_shown": Text(
        (
            "--abstain_for {accuracy:g}: the {rows:,} validation rows do not show so much accuracy with a "
            "confidence of {confidence:.1%}; the best that they show is {best:.3f}, for {share:.0%} of the rows"
        ),
        (
            "--abstain_for {accuracy:g}：{rows:,} 行验证数据不足以在 {confidence:.1%} 的置信度下表明有这么高的准确率；"
            "最多能表明 {best:.3f}，对 {share:.0%} 的行"
        ),
    ),
    "nothing_shown": Text(
        (
            "--abstain_for {accuracy:g}: the {rows:,} validation rows show no accuracy above one half with a "
            "confidence of {confidence:.1%}; it takes more of them, or a better model"
        ),
        (
            "--abstain_for {accuracy:g}：{rows:,} 行验证数据在 {confidence:.1%} 的置信度下表明不了高于一半的准确率；"
            "需要更多的验证数据，或更好的模型"
        ),
    ),
    "other_rows": Text(
        "{option}: {first} and {other} have been validated on different rows; --abstain_below does without them",
        "{option}：{first} 与 {other} 的验证数据不同；--abstain_below 不需要验证数据",
    ),
}
COMPARISON: dict[str, Text] = {
    "scores": Text(
        "against {other}: {differences}",
        "与 {other} 相比：{differences}",
    ),
    "score": Text("{name} {difference}", "{name} {difference}"),
    "difference": Text(
        "{difference:+.4f} (95% interval {low:+.4f} to {high:+.4f})",
        "{difference:+.4f}（95% 区间 {low:+.4f} 到 {high:+.4f}）",
    ),
    "mcnemar": Text(
        "McNemar {p}: {ours} right in this run only, {theirs:,} in the other only; {meaning}",
        "McNemar 检验 {p}：只有本次正确的 {ours}，只有另一次正确的 {theirs:,} 行；{meaning}",
    ),
    "more_than_chance": Text("more than chance would explain", "差别超出偶然"),
    "maybe_chance": Text("may be no more than chance", "差别可能只是偶然"),
}
OTHER_RUN: dict[str, Text] = {  # why it cannot be compared with
    "problem": Text("--compare {name}: {problem}: {command}", "--compare {name}：{problem}：{command}"),
    "no_scores": Text("it has no test scores; score it first", "它没有测试集分数；请先给它打分"),
    "unreadable": Text(
        "its scores cannot be read ({reason}); score it again", "它的分数无法读取（{reason}）；请重新打分"
    ),
    "other_file": Text(
        "it was not scored on {file}; score it on that file", "它不是在 {file} 上打的分；请在这个文件上打分"
    ),
    "other_labels": Text(
        "its labels are {theirs}, those of this model {ours}; score it again",
        "它的标签是 {theirs}，这个模型的是 {ours}；请重新打分",
    ),
    "other_kind": Text(
        "one of the two was scored with several labels a row, the other with one; score it again",
        "两者中一个按一行多个标签打分，另一个按一行一个；请重新打分",
    ),
    "other_model": Text(
        "its scores are not those of the model in {folder}; score it again",
        "它的分数不是 {folder} 里的模型的；请重新打分",
    ),
    "other_rows": Text(
        "other rows or labels of {file} were scored; score it again",
        "打分时 {file} 的行或标签与现在不同；请重新打分",
    ),
}
DIVERGED = Text(
    "training diverged: the outputs of the model are no longer numbers; lower --learning_rate",
    "训练发散：模型的输出已经不是数；请降低 --learning_rate",
)
CHOICES: dict[str, Text] = {  # options that do not go with the labels
    "threshold_by_loss": Text(
        "--threshold auto maximizes --metric, but the loss does not depend on the threshold; choose another metric",
        "--threshold auto 要让 --metric 最高，而损失与阈值无关；请换一个指标",
    ),
    "positive_label": Text(
        "--positive_label {label}: the labels are {labels}", "--positive_label {label}：标签有 {labels}"
    ),
    "f1": Text(
        "--metric f1 is for one label; name it with --positive_label (macro_f1 is the mean over all)",
        "--metric f1 是对一个标签而言的；请用 --positive_label 指定（macro_f1 是所有标签的平均）",
    ),
    "two_labels": Text(
        "--threshold {threshold} needs exactly two labels; there are {count}",
        "--threshold {threshold} 只能用于两个标签；这里有 {count} 个",
    ),
    "positive_labels_differ": Text(
        "--threshold {threshold}: the models differ in which label it is for ({listed})",
        "--threshold {threshold}：各模型的阈值针对的标签不同（{listed}）",
    ),
}
RUN_JSON: dict[str, Text] = {  # what is wrong with it
    "thresholds": Text(
        "run.json: its thresholds are not a probability for each label",
        "run.json：它的阈值不是每个标签一个概率",
    ),
    "temperature": Text(
        "run.json: its temperature is {value}, not a positive number", "run.json：temperature 是 {value}，不是正数"
    ),
    "threshold": Text(
        "run.json: its threshold is {value}, not a probability", "run.json：threshold 是 {value}，不是概率"
    ),
    "bias": Text("run.json: its bias is not a number for each label", "run.json：bias 不是每个标签一个数"),
}
AND = Text(" and ", " 和 ")
