"""How each piece of advice is told: what there is to know, and what to do about it; a sentence a line."""

# fmt: off
TEXTS = {  # kind: language: (what, advice)
    "leaked": {
        "en": (
            "{count:,} of the test rows ({share:.1%}) stand in the training file too, or nearly",
            "the score on them says nothing about new texts; train again with --drop_leaked"),
        "zh": (
            "{count:,} 行测试数据（{share:.1%}）也出现在训练文件里，或几乎相同",
            "这些行上的分数不能说明新文本的表现；请加 --drop_leaked 重新训练"),
    },
    "wide": {
        "en": (
            "with {rows:,} test rows the score is only known to lie between {low:.1%} and {high:.1%}",
            "about {more:,} test rows would halve that; differences smaller than it may be luck"),
        "zh": (
            "只有 {rows:,} 行测试数据，只能知道分数在 {low:.1%} 到 {high:.1%} 之间",
            "大约 {more:,} 行测试数据可以把这个范围缩小一半；比它小的差别可能只是运气"),
    },
    "precise": {
        "en": (
            "{rows:,} test rows pin the score down: between {low:.1%} and {high:.1%}",
            ""),
        "zh": (
            "{rows:,} 行测试数据足以确定分数：在 {low:.1%} 到 {high:.1%} 之间",
            ""),
    },
    "nothing_learned": {
        "en": (
            "it is not shown to be better than always giving the most frequent label: {metric} {value:.1%}, and the difference lies between {low:+.1f} and {high:+.1f} points",
            "more --epochs, another --learning_rate, a model that knows the language of the texts, or more test rows"),
        "zh": (
            "看不出比总是回答最常见的标签更好：后者的 {metric} 是 {value:.1%}，相差在 {low:+.1f} 到 {high:+.1f} 个百分点之间",
            "请增加 --epochs，换一个 --learning_rate，换一个懂这种语言的模型，或增加测试数据"),
    },
    "worse_than_simple": {
        "en": (
            "TF-IDF and logistic regression reach {metric} {value:.1%}, {less:.1f} points more",
            "use them, or train longer or on more rows before you use this model"),
        "zh": (
            "TF-IDF 加逻辑回归的 {metric} 达到 {value:.1%}，高出 {less:.1f} 个百分点",
            "请直接用它，或者先用更多数据、更多轮数训练"),
    },
    "as_good_as_simple": {
        "en": (
            "TF-IDF and logistic regression reach {metric} {value:.1%}; the difference lies between {low:+.1f} and {high:+.1f} points",
            "it is not shown that a BERT is worth its cost here; more test rows would tell"),
        "zh": (
            "TF-IDF 加逻辑回归的 {metric} 达到 {value:.1%}；相差在 {low:+.1f} 到 {high:+.1f} 个百分点之间",
            "还不能说明在这里值得用 BERT；更多测试数据才能看出来"),
    },
    "worth_it": {
        "en": (
            "a BERT is worth it here: {metric} {difference:.1f} points above TF-IDF and logistic regression ({value:.1%}; between {low:+.1f} and {high:+.1f})",
            ""),
        "zh": (
            "在这里值得用 BERT：{metric} 比 TF-IDF 加逻辑回归（{value:.1%}）高 {difference:.1f} 个百分点（{low:+.1f} 到 {high:+.1f} 之间）",
            ""),
    },
    "lower_than_valid": {
        "en": (
            "the validation set had {valid:.1%}, the test set has {value:.1%}",
            "the test rows may be of another kind, or the validation rows too much like the training rows"),
        "zh": (
            "验证集上是 {valid:.1%}，测试集上是 {value:.1%}",
            "测试数据可能与训练数据不同类，或者验证数据与训练数据过于相似"),
    },
    "higher_than_valid": {
        "en": (
            "the validation set had {valid:.1%}, the test set has {value:.1%}",
            "the test rows seem easier; look whether they are like the texts the model is meant for"),
        "zh": (
            "验证集上是 {valid:.1%}，测试集上是 {value:.1%}",
            "测试数据似乎更容易；请确认它们与实际要分类的文本相像"),
    },
    "calibrated": {
        "en": (
            "the probabilities can be taken at their word: they are off by {error:.1%} on average",
            ""),
        "zh": (
            "概率可以当真：平均只差 {error:.1%}",
            ""),
    },
    "too_sure": {
        "en": (
            "the probabilities are {gap:.1f} points too high on average",
            "a row given 90% is right less often; more validation rows calibrate them better"),
        "zh": (
            "概率平均偏高 {gap:.1f} 个百分点",
            "给出 90% 的预测其实没有那么准；更多验证数据能校准得更好"),
    },
    "too_unsure": {
        "en": (
            "the probabilities are {gap:.1f} points too low on average",
            "a row given 70% is right more often; the test rows may be easier than the validation rows"),
        "zh": (
            "概率平均偏低 {gap:.1f} 个百分点",
            "给出 70% 的预测其实更准；测试数据可能比验证数据容易"),
    },
    "not_checked": {
        "en": (
            "whether test rows stand in the training file, and what simple methods reach, was not checked",
            "the training file is gone or has changed, or was trained on with --drop_leaked"),
        "zh": (
            "没有检查测试数据是否出现在训练文件里，也没有简单方法的分数",
            "训练文件已不在原处或有改动，或训练时用了 --drop_leaked"),
    },
    "few_rows": {
        "en": (
            "fewer than {least} test rows have these labels: {labels}",
            "their scores, and the macro means, say little; add test rows of them"),
        "zh": (
            "这些标签的测试数据不足 {least} 行：{labels}",
            "它们的分数和宏平均说明不了什么；请补充测试数据"),
    },
    "weak_recall": {
        "en": (
            "{label} is a weak spot: F1 {f1:.1%} (mean {mean:.1%}); {recall:.0%} of its rows are found, {count:,} are taken for {other}",
            "read these rows in the confusion matrix; more training rows, or clearer rules for the labels"),
        "zh": (
            "{label} 是薄弱环节：F1 {f1:.1%}（平均 {mean:.1%}）；召回率 {recall:.0%}，另有 {count:,} 行被误判为 {other}",
            "请在混淆矩阵里查看这些行；需要更多训练数据，或更清楚的标注规则"),
    },
    "weak_precision": {
        "en": (
            "{label} is a weak spot: F1 {f1:.1%} (mean {mean:.1%}); {precision:.0%} of what is taken for it is right, {count:,} rows are of {other}",
            "read these rows in the confusion matrix; more training rows, or clearer rules for the labels"),
        "zh": (
            "{label} 是薄弱环节：F1 {f1:.1%}（平均 {mean:.1%}）；精确率 {precision:.0%}，有 {count:,} 行其实是 {other}",
            "请在混淆矩阵里查看这些行；需要更多训练数据，或更清楚的标注规则"),
    },
    "weak_cut": {
        "en": (
            "of the {rows:,} rows that are truncated {accuracy:.1%} are right (of all {overall:.1%})",
            "a higher --max_length if the model can, or --truncation head_tail"),
        "zh": (
            "被截断的 {rows:,} 行中 {accuracy:.1%} 正确（全部为 {overall:.1%}）",
            "如果模型支持，请提高 --max_length，或用 --truncation head_tail"),
    },
    "weak_length": {
        "en": (
            "of the {rows:,} rows of {name} tokens {accuracy:.1%} are right (of all {overall:.1%})",
            "look whether training has enough rows of this length"),
        "zh": (
            "{name} 个词元的 {rows:,} 行中 {accuracy:.1%} 正确（全部为 {overall:.1%}）",
            "请查看训练数据里这个长度的行是否够多"),
    },
    "weak_part": {
        "en": (
            "of the {rows:,} rows with {column} = {name} {accuracy:.1%} are right (of all {overall:.1%})",
            "look at them; training may have too few of their kind"),
        "zh": (
            "{column} = {name} 的 {rows:,} 行中 {accuracy:.1%} 正确（全部为 {overall:.1%}）",
            "请查看这些行；训练数据里同类的可能太少"),
    },
    "still_learning": {
        "en": (
            "the last evaluation, at the end of epoch {epochs}, was the best, and better than the one before",
            "it was still learning: try more --epochs"),
        "zh": (
            "第 {epochs} 轮结束时的最后一次评估最好，而且比前一次更好",
            "还在进步：可以增加 --epochs"),
    },
    "best_at_first": {
        "en": (
            "the first of {evaluations} evaluations was the best",
            "it may learn the rows by heart: a lower --learning_rate, or more training rows"),
        "zh": (
            "{evaluations} 次评估中第一次最好",
            "可能在死记训练数据：请降低 --learning_rate，或增加训练数据"),
    },
}
