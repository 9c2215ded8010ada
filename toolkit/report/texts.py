"""All that report.html says, in English and Chinese side by side.

The design of all texts that come in both languages, here and in other rooms: a Text holds both languages; a Message is
a sentence and what to do about it, each of them a Text; dictionaries of these are keyed by name. Whoever needs a text
asks for `TEXTS[name][language]`, and fills its gaps with str.format.
"""

from typing import Any

from toolkit.base.languages import PLACES, Message, Text, in_language

SECTIONS: dict[str, Text] = {  # in the order of the page
    "score": Text("Score", "分数"),
    "advice": Text("Verdict and next steps", "结论与下一步"),
    "comparison": Text("Against another run", "与另一次训练比较"),
    "labels": Text("Labels", "各标签"),
    "confusion": Text("Confusion matrix", "混淆矩阵"),
    "rows": Text("Rows", "逐行查看"),
    "threshold": Text("Threshold", "阈值"),
    "curves": Text("Curves", "曲线"),
    "calibration": Text("Probabilities", "概率"),
    "answered": Text("Answering only what is sure", "只回答有把握的"),
    "parts": Text("Slices of the test set", "测试集的各部分"),
    "course": Text("Training", "训练过程"),
    "data": Text("Data", "数据"),
    "facts": Text("Run details", "运行信息"),
}
METRICS: dict[str, Text] = {
    "accuracy": Text("Accuracy", "准确率"),
    "macro_f1": Text("Macro F1", "宏平均 F1"),
    "micro_f1": Text("Micro F1", "微平均 F1"),
    "sample_f1": Text("Sample F1", "按行平均 F1"),
    "subset_accuracy": Text("Rows wholly right", "完全正确率"),
    "hamming_loss": Text("Hamming loss", "汉明损失"),
    "mean_average_precision": Text("Mean average precision", "平均精确率均值（mAP）"),
    "macro_roc_auc": Text("ROC-AUC (macro)", "ROC-AUC（宏平均）"),
    "weighted_f1": Text("Weighted F1", "加权平均 F1"),
    "f1": Text("F1", "F1"),
    "mcc": Text("MCC", "MCC"),
    "roc_auc": Text("ROC-AUC", "ROC-AUC"),
    "average_precision": Text("Average precision", "平均精确率（AP）"),
    "loss": Text("Loss", "损失"),
    "precision": Text("Precision", "精确率"),
    "recall": Text("Recall", "召回率"),
}
BASELINES: dict[str, Text] = {  # simple methods
    "most_frequent_label": Text("always the most frequent label", "多数类基线"),
    "most_frequent_set": Text("always the most frequent set", "总是最常见的一组标签"),
    "tfidf": Text("TF-IDF, linear classifier", "TF-IDF 加线性分类器"),
}
LEVELS: dict[str, Text] = {  # of advice
    "good": Text("good", "良好"),
    "look": Text("note", "注意"),
    "bad": Text("warning", "当心"),
}
UNEXPLAINED: dict[str, Text] = {  # why no words are marked, or not those of every row
    "some": Text(
        "Rows too long for the memory, whose words are not marked: {count:,}.",
        "有 {count:,} 行太长，内存不足，没有标出起作用的词。",
    ),
    "no_memory": Text(
        "No words are marked: there was too little memory to find out which ones mattered ({reason}).",
        "没有标出起作用的词：内存不足，无法计算（{reason}）。",
    ),
    "average": Text(
        "No words are marked: that is done for one model, and this is the mean of several.",
        "没有标出起作用的词：只能对单个模型计算，而这里是几个模型的平均。",
    ),
    "failed": Text(
        "No words are marked: finding out which ones mattered failed ({reason}).",
        "没有标出起作用的词：计算失败（{reason}）。",
    ),
}
FACTS: dict[str, Text] = {  # what the run is made of
    "model": Text("Model", "模型"),
    "base_model": Text("Fine-tuned from", "基础模型"),
    "weights": Text("sha256 of its weights", "权重的 sha256"),
    "test": Text("Test set", "测试集"),
    "train": Text("Training set", "训练集"),
    "valid": Text("Validation set", "验证集"),
    "time": Text("Training", "训练"),
    "machine": Text("Trained on", "训练设备"),
    "max_length": Text("Longest input", "最大长度"),
    "threshold": Text("Threshold", "阈值"),
    "versions": Text("Versions", "版本"),
}
PAGE: dict[str, Text] = {
    "lang": Text("en", "zh-Hans"),
    "title": Text("Evaluation report", "评测报告"),
    "subtitle": Text("Rows: {rows:,}, labels: {labels:,}", "{rows:,} 行，{labels:,} 个标签"),
    "contents": Text("Contents", "目录"),
    "interval": Text("95% interval", "95% 区间"),
    "scale": Text("The score, its interval, and what simple methods reach", "分数、区间，以及简单方法的分数"),
    "difference": Text("Difference", "差"),
    "mcnemar": Text(
        "McNemar's test: p = {p}. Rows right in this run only: {ours:,}; in the other only: {theirs:,}.",
        "McNemar 检验：p = {p}。只有本次正确的 {ours:,} 行，只有另一次正确的 {theirs:,} 行。",
    ),
    "label": Text("Label", "标签"),
    "label_share": Text("Accuracy", "准确率"),
    "rows": Text("Rows", "行数"),
    "macro": Text("macro mean", "宏平均"),
    "weighted": Text("weighted mean", "加权平均"),
    "matrix_hint": Text(
        "Rows are true labels, columns predictions; percentages are of the row. Click a cell to read its texts.",
        "每行是一个真实标签，百分比是占该行的比例；点一个格子可以查看其中的文本。",
    ),
    "true_as": Text("true / as", "真实 / 预测"),
    "many_labels": Text("Most frequent confusions:", "最常见的混淆："),
    "all_errors": Text(
        "The wrong predictions, most confident first, with the probability of the predicted label.",
        "预测错的行，从最有把握的开始，附预测标签的概率。",
    ),
    "one_cell": Text(
        "The rows of one cell: wrong predictions most confident first, right ones least confident first.",
        "矩阵中一个格子的行：错的从最有把握的开始，对的从最没有把握的开始。",
    ),
    "words_hint": Text(
        "In the first of them, the words that mattered are marked (integrated gradients):",
        "前几行标出了起作用的词（积分梯度）：",
    ),
    "word_for": Text("for the prediction", "支持预测"),
    "word_against": Text("for the true label", "支持真实标签"),
    "back": Text("All errors", "全部错误"),
    "no_rows": Text("No prediction is wrong.", "没有预测错的行。"),
    "more": Text("Show more", "显示更多"),
    "all_in_csv": Text(
        "This page shows some rows of each kind; predictions.csv has them all.",
        "本页每类只列出一部分；全部在 predictions.csv 里。",
    ),
    "threshold_hint": Text(
        "Predict {label} where its calibrated probability is at least this:",
        "校准后的概率不低于这个值时预测为 {label}：",
    ),
    "threshold": Text("Threshold", "阈值"),
    "true_positives": Text("True positives", "真正例"),
    "false_positives": Text("False positives", "假正例"),
    "false_negatives": Text("False negatives", "假负例"),
    "true_negatives": Text("True negatives", "真负例"),
    "cost_fp": Text("A false positive costs", "一个假正例的代价"),
    "cost_fn": Text("a false negative", "一个假负例的代价"),
    "cost": Text("Cost of these errors:", "这些错误的总代价："),
    "cheapest": Text("cheapest at", "代价最小的阈值"),
    "threshold_use": Text(
        (
            "A threshold chosen here has seen the test set, whose scores are too good from then on: "
            "main.py --threshold auto chooses one on the validation set. infer.py --threshold takes any value."
        ),
        (
            "在这里挑的阈值已经看过测试集，之后在它上面的分数会偏高：main.py --threshold auto 用验证集来挑。"
            "infer.py --threshold 可以用任意值。"
        ),
    ),
    "fpr": Text("False positive rate", "假正例率"),
    "tpr": Text("True positive rate", "真正例率"),
    "pr": Text("Precision and recall", "精确率与召回率"),
    "answered_hint": Text(
        (
            "infer.py --abstain_below leaves the prediction empty where its calibrated probability is lower. These are "
            "the test rows; infer.py --abstain_for finds the threshold for a wanted accuracy on the validation rows."
        ),
        (
            "infer.py --abstain_below 会让校准后的概率低于它的行不给出预测。这里是测试集的行；"
            "infer.py --abstain_for 在验证集上找出达到所要准确率的阈值。"
        ),
    ),
    "answered_share": Text("Share answered", "回答的比例"),
    "answered_accuracy": Text("Accuracy of the answers", "回答的准确率"),
    "answered_from": Text("Probability at least", "概率不低于"),
    "calibration_hint": Text(
        "If probabilities are calibrated, bars touch the dashed line: of predictions given 80%, 80% are right.",
        "柱子与虚线一样高，表示给出 80% 概率的预测中约有 80% 正确。",
    ),
    "temperature_hint": Text(
        "The temperature, fitted to the validation set, is {temperature}.",
        "用验证集拟合的温度是 {temperature}。",
    ),
    "not_calibrated": Text(
        "The probabilities are as the model gives them: there is no temperature, or --no-calibrated was given.",
        "这里是模型原本的概率：没有温度，或用了 --no-calibrated。",
    ),
    "after": Text("calibrated", "校准后"),
    "before": Text("before calibration", "校准之前"),
    "confidence": Text("Highest predicted probability (confidence)", "最高预测概率（置信度）"),
    "ece": Text("Calibration error (ECE)", "校准误差（ECE）"),
    "brier": Text("Brier score", "Brier 分数"),
    "reliability_bin": Text(
        "rows from {low} to {high}: {rows}; {confidence} on average, {accuracy} right",
        "{low} 到 {high}：{rows} 行，平均 {confidence}，{accuracy} 正确",
    ),
    "parts_hint": Text(
        "The thin line is the 95% interval. By chance, about one line in twenty misses the overall score.",
        "细线是 95% 区间。每二十条里约有一条会因偶然而不含总体的分数。",
    ),
    "tokens": Text("Tokens", "词元数"),
    "truncated": Text("Truncated", "被截断"),
    "yes": Text("yes", "是"),
    "no": Text("no", "否"),
    "empty": Text("(empty)", "（空）"),
    "step": Text("Step", "步"),
    "valid_scores": Text("Validation set", "验证集"),
    "score": Text("Score", "分数"),
    "training_loss": Text("training", "训练"),
    "validation_loss": Text("validation", "验证"),
    "best": Text("best: step {step}", "最好：第 {step} 步"),
    "found": Text("found", "发现"),
    "own_threshold": Text(
        "The scores above are those at the threshold {threshold}, which this model uses.",
        "上面的分数按阈值 {threshold} 计算，这个模型用它来预测。",
    ),
    "noscript": Text(
        "With JavaScript enabled, precision, recall and cost are shown here at every threshold.",
        "启用 JavaScript 后，这里显示各阈值下的精确率、召回率和代价。",
    ),
    "not_checked": Text(
        "Not everything was checked: the training file is gone or has changed, or --drop_leaked was used.",
        "没有全部检查：训练文件已不在原处或有改动，或训练时用了 --drop_leaked。",
    ),
    "nothing_found": Text(
        "No duplicates, leaks or conflicting labels, and nothing else that looks wrong.",
        "没有重复、泄漏或矛盾的标签，也没有其他异常。",
    ),
    "rows_of": Text("{file}: rows {rows:,}, sha256 {sha256}", "{file}：{rows:,} 行，sha256 {sha256}"),
    "trained": Text(
        "{seconds:,.0f} s, {speed:,.0f} tokens a second, {padding:.1%} padding",
        "{seconds:,.0f} 秒，每秒 {speed:,.0f} 个词元，填充占 {padding:.1%}",
    ),
    "length_of": Text("{length:,} tokens, truncation {truncation}", "{length:,} 个词元，截断方式 {truncation}"),
    "windows_of": Text(
        "{length:,} tokens, windows overlapping by {stride:,}, at most {most:,} a row",
        "{length:,} 个词元，窗口重叠 {stride:,} 个，每行至多 {most:,} 个窗口",
    ),
    "no_threshold": Text("none: whichever label is more probable", "无：取概率最大的标签"),
    "bias_of": Text(
        "a bias for each label, {low:+.2f} to {high:+.2f}", "每个标签一个偏置，从 {low:+.2f} 到 {high:+.2f}"
    ),
    "options": Text("Options of the run", "训练选项"),
    "footer": Text(
        "The numbers are in metrics.json and all rows in predictions.csv, beside this page, which loads nothing else.",
        "数字在同一目录的 metrics.json 里，全部数据行在 predictions.csv 里。本页不加载任何外部内容。",
    ),
}
LABEL_SET_SECTIONS: dict[str, Text] = {  # instead of those above where a row may have several labels
    "confusion": Text("What is missed and what is added", "漏掉与多出的标签"),
}
LABEL_SET_PAGE: dict[str, Text] = {  # likewise
    "micro": Text("micro mean", "微平均"),
    "predicted": Text("Predicted", "预测行数"),
    "f1_interval": Text("F1, 95% interval", "F1 的 95% 区间"),
    "curve_choice": Text(
        "Those with the lowest average precision ({shown:,} of {labels:,} labels).",
        "平均精确率最低的标签（{labels:,} 个中的 {shown:,} 个）。",
    ),
    "pairs_hint": Text(
        "A number shows its rows: those with a label that are predicted to have it, that miss it, and those to which "
        "it is added.",
        "点一个数字可以查看这些行：标签预测对的、漏掉的，以及多出的。",
    ),
    "hits": Text("Right", "正确"),
    "missed": Text("Missed", "漏掉"),
    "added": Text("Added", "多出"),
    "missed_label": Text("missed", "漏掉"),
    "added_label": Text("added", "多出"),
    "instead": Text("Missed, and another one added instead, most often:", "漏掉一个而多出另一个，最常见的："),
    "together": Text("Labels that come together", "一同出现的标签"),
    "together_hint": Text(
        "How many rows have both labels, are predicted to have both, and both at once.",
        "两个标签都有的行数、都预测到的行数，以及都预测对的行数。",
    ),
    "both_true": Text("Have both", "都有"),
    "both_predicted": Text("Predicted both", "都预测到"),
    "both_right": Text("Right", "都预测对"),
    "no_labels": Text("(no label)", "（无标签）"),
    "of_set": Text("set {probability}", "整组 {probability}"),
    "more_labels": Text("and {count:,} more", "另有 {count:,} 个"),
    "all_errors": Text(
        "The rows of which not all labels are right, most confident first, with the probability of the predicted set "
        "as if no label depended on another.",
        "标签没有全对的行，从最有把握的开始，附所预测的一组标签的概率（假定各标签互不相关）。",
    ),
    "one_cell": Text(
        "The rows that are not wholly right come first, most confident first; then the others, least confident first.",
        "没有全对的行在前，从最有把握的开始；然后是全对的，从最没有把握的开始。",
    ),
    "no_rows": Text("All labels of all rows are right.", "所有行的标签都对。"),
    "word_for": Text("for the added labels", "支持多出的标签"),
    "word_against": Text("for the missed labels", "支持漏掉的标签"),
    "calibration_hint": Text(
        "Each label of each row counts. A bar reaches the dashed line where 80 of 100 labels given 80% are there.",
        "每行的每个标签都计入。柱子与虚线一样高，表示给出 80% 概率的标签中约有 80% 确实有。",
    ),
    "confidence": Text("Probability of a label", "标签的概率"),
    "label_share": Text("Share of rows that have it", "确有该标签的比例"),
    "reliability_bin": Text(
        "labels from {low} to {high}: {rows}; {confidence} on average, {accuracy} right",
        "{low} 到 {high}：{rows} 个标签，平均 {confidence}，{accuracy} 确实有",
    ),
    "answered_hint": Text(
        (
            "infer.py --abstain_below leaves the prediction empty where the calibrated probability of the predicted "
            "set is lower. These are the test rows; infer.py --abstain_for finds the threshold at which the wanted "
            "share of the answered sets is wholly right on the validation rows."
        ),
        (
            "infer.py --abstain_below 会让所预测的一组标签校准后的概率低于它的行不给出预测。这里是测试集的行；"
            "infer.py --abstain_for 在验证集上找出完全正确率达到所要值的阈值。"
        ),
    ),
    "answered_accuracy": Text("Answers wholly right", "回答完全正确的比例"),
    "thresholds_of": Text("for each label, {low:.4f} to {high:.4f}", "每个标签一个，从 {low:.4f} 到 {high:.4f}"),
}
REMEDIES: dict[str, Text] = {  # what may help a model that is not better than simple methods
    "language": Text(
        "{share:.1%} of the characters are unknown to the model; take one of that language, such as --model {model}",
        "有 {share:.1%} 的字符模型不认识；请换一个懂这种语言的模型，例如 --model {model}",
    ),
    "whole": Text(
        "only a part of the model was trained (--train {part}), and it has not learned the training rows: --train all",
        "只训练了模型的一部分（--train {part}），还没有学会训练数据：请用 --train all",
    ),
    "longer": Text(
        "the training loss is still {loss:.2f} (guessing has {chance:.2f}), so train longer: --epochs {epochs}",
        "训练损失还有 {loss:.2f}（瞎猜是 {chance:.2f}），请训练更久：--epochs {epochs}",
    ),
    "still_falling": Text(
        "the training loss was still falling, so train longer: --epochs {epochs}",
        "训练损失仍在下降，请训练更久：--epochs {epochs}",
    ),
    "higher_rate": Text(
        "the model has changed too little: --learning_rate {rate:g} instead of {before:g}",
        "模型变化太小：学习率请从 {before:g} 提高，--learning_rate {rate:g}",
    ),
    "rate_for_labels": Text(
        "so many labels ({labels:,}) need larger steps: --learning_rate {rate:g} instead of {before:g}",
        "标签这么多（{labels:,} 个），步子要大一些：学习率请从 {before:g} 提高，--learning_rate {rate:g}",
    ),
    "lower_rate": Text(
        "the model does no more than guess, and --learning_rate {before:g} is high for one: --learning_rate {rate:g}",
        "模型只是在瞎猜，而学习率 {before:g} 太高：请用 --learning_rate {rate:g}",
    ),
    "few_rows": Text(
        "there are only {rows:.1f} training rows a label; {least} or more of each would help",
        "每个标签平均只有 {rows:.1f} 行训练数据；最好每个有 {least} 行以上",
    ),
    "more_rows": Text(
        "the {rows:,} training rows are learned (training loss {loss:.2f}) and do not teach enough: label more rows",
        "{rows:,} 行训练数据已经学会（训练损失 {loss:.2f}），但教的还不够：请标注更多数据",
    ),
    "another_model": Text(
        "a model that was made for the language of the texts, such as --model {model}",
        "换一个专门为这种语言训练的模型，例如 --model {model}",
    ),
    "larger_model": Text(
        "a larger model (--model), or one that was made for such texts",
        "换一个更大的模型（--model），或专门为这类文本训练的模型",
    ),
    "labels": Text(
        "look at the labels: main.py --find_label_errors lists those that are likely wrong",
        "检查标签：main.py --find_label_errors 会列出可能标错的行",
    ),
}
ADVICE: dict[str, Message] = {
    "leaked": Message(
        Text(
            "{share:.1%} of the test rows ({count:,}) are also in the training file, word for word or nearly",
            "{count:,} 行测试数据（{share:.1%}）也出现在训练文件里，或几乎相同",
        ),
        Text(
            "the score on them says nothing about new texts; train again with --drop_leaked",
            "这些行上的分数不能说明新文本的表现；请加 --drop_leaked 重新训练",
        ),
    ),
    "groups_leaked": Message(
        Text(
            "{share:.1%} of the test rows ({count:,}) are of groups that the training file has too",
            "{count:,} 行测试数据（{share:.1%}）所属的组也出现在训练文件里",
        ),
        Text(
            "for rows of new groups, expect a lower score; train again with --drop_leaked to know it",
            "新的组上的分数会更低；加 --drop_leaked 重新训练可以知道是多少",
        ),
    ),
    "wide": Message(
        Text(
            "with {rows:,} test rows, the score is only known to lie between {low:.1%} and {high:.1%}",
            "只有 {rows:,} 行测试数据，只能知道分数在 {low:.1%} 到 {high:.1%} 之间",
        ),
        Text(
            "about {more:,} test rows would pin it down to 3 points either way; smaller differences may be luck",
            "大约 {more:,} 条测试数据可以把它确定到上下 3 个百分点；范围之内的差别可能只是运气",
        ),
    ),
    "precise": Message(
        Text(
            "{rows:,} test rows pin the score down to between {low:.1%} and {high:.1%}",
            "{rows:,} 行测试数据足以确定分数：在 {low:.1%} 到 {high:.1%} 之间",
        ),
        Text("", ""),
    ),
    "nothing_learned": Message(
        Text(
            (
                "not shown to be better than always predicting the most frequent label: {metric} {value:.1%}, and "
                "the difference lies between {low:+.1f} and {high:+.1f} points"
            ),
            (
                "看不出比总是回答最常见的标签更好：后者是 {value:.1%}（{metric}），相差在 {low:+.1f} 到 {high:+.1f} "
                "个百分点之间"
            ),
        ),
        Text(
            "do not use this model yet; more test rows would tell more",
            "请先不要用这个模型；更多测试数据才能看得更清楚",
        ),
    ),
    "no_set_learned": Message(
        Text(
            (
                "not shown to be better than always predicting the most frequent set of labels: {metric} {value:.1%}, "
                "and the difference lies between {low:+.1f} and {high:+.1f} points"
            ),
            (
                "看不出比总是回答最常见的一组标签更好：后者是 {value:.1%}（{metric}），相差在 {low:+.1f} 到 "
                "{high:+.1f} 个百分点之间"
            ),
        ),
        Text(
            "do not use this model yet; more test rows would tell more",
            "请先不要用这个模型；更多测试数据才能看得更清楚",
        ),
    ),
    "worse_than_constant": Message(
        Text(
            "always predicting the most frequent label is better: {metric} {value:.1%}, {less:.1f} points more",
            "总是回答最常见的标签反而更好：{value:.1%}（{metric}），高出 {less:.1f} 个百分点",
        ),
        Text("do not use this model", "请不要用这个模型"),
    ),
    "collapsed": Message(
        Text(
            "every row is predicted {label}: the model tells nothing apart",
            "每一条都被预测为 {label}：模型什么都没有区分开",
        ),
        Text("do not use this model", "请不要用这个模型"),
    ),
    "ranks_well": Message(
        Text(
            "its probabilities do rank the rows (ROC-AUC {roc_auc:.2f}), although they all lie on one side",
            "但它的概率能给各条排出先后（ROC-AUC {roc_auc:.2f}），只是都落在同一边",
        ),
        Text(
            "main.py --threshold auto puts the threshold where it separates the validation rows best",
            "main.py --threshold auto 会把阈值放在最能分开验证数据的地方",
        ),
    ),
    "swapped": Message(
        Text(
            "the labels look swapped: {accuracy:.1%} of the rows are right, and the ROC-AUC is {roc_auc:.2f}",
            "标签像是弄反了：只有 {accuracy:.1%} 的数据预测正确，ROC-AUC 是 {roc_auc:.2f}",
        ),
        Text(
            "compare what the labels mean in the training file and in the test file; --map_labels renames them",
            "请核对训练文件和测试文件里各标签的含义；--map_labels 可以改名",
        ),
    ),
    "one_label": Message(
        Text(
            "all test rows have the label {label}, none {untested}: only its recall is known",
            "测试数据全是 {label}，没有 {untested}：只能知道它的召回率",
        ),
        Text(
            "score a file with rows of every label; curves, and scores that need two labels, are not defined here",
            "请评测一个每个标签都有数据的文件；曲线和需要两个标签的分数在这里没有定义",
        ),
    ),
    "untested": Message(
        Text("there is no test row with these labels: {labels}", "这些标签没有测试数据：{labels}"),
        Text("nothing is known of them; add test rows with these labels", "不知道它们预测得怎样；请补充测试数据"),
    ),
    "perfect": Message(
        Text("all {rows:,} test rows are right, which is rare", "{rows:,} 条测试数据全部预测正确，这很少见"),
        Text(
            (
                "check that the texts do not give the label away, as a column, a word or a file name may, and that the "
                "test rows were not written from the training rows"
            ),
            "请确认文本没有泄露标签（例如某一列、某个词或文件名），测试数据也不是从训练数据改写来的",
        ),
    ),
    "calibrated_worse": Message(
        Text(
            "calibration made the probabilities worse here: off by {after:.1%} on average, {before:.1%} before",
            "校准在这里让概率变差了：平均差 {after:.1%}，校准之前是 {before:.1%}",
        ),
        Text(
            "the validation rows, by which they are calibrated, differ from these; --no-calibrated leaves it out",
            "用来校准的验证数据与这些数据不同；--no-calibrated 可以不校准",
        ),
    ),
    "calibrated_unevenly": Message(
        Text(
            (
                "after calibration the probabilities are off by {after:.1%} on average, {before:.1%} before, though "
                "they are better for single rows (Brier score)"
            ),
            "校准之后概率平均差 {after:.1%}（之前 {before:.1%}），不过逐条来看变好了（Brier 分数）",
        ),
        Text(
            "more validation rows calibrate better; --no-calibrated leaves it out",
            "验证数据多一些，校准会更准；--no-calibrated 可以不校准",
        ),
    ),
    "few_rows_of_all": Message(
        Text(
            "each of the {count:,} labels has fewer than {least} test rows",
            "{count:,} 个标签的测试数据都不足 {least} 条",
        ),
        Text(
            "the scores of single labels, and the macro means, say little; add test rows",
            "单个标签的分数和宏平均说明不了什么；请补充测试数据",
        ),
    ),
    "never_found": Message(
        Text("no row of these labels is recognized: {labels}", "这些标签没有一条被认出来：{labels}"),
        Text(
            (
                "add training rows with these labels, or join them with the label they are taken for (--map_labels); "
                "--class_weight balanced makes rare ones count more"
            ),
            (
                "请补充这些标签的训练数据，或用 --map_labels 把它们并入常被误认成的标签；"
                "--class_weight balanced 让少见的标签更受重视"
            ),
        ),
    ),
    "overfits": Message(
        Text(
            "the score still rose, but the validation loss went up from {low:.2f} after epoch {epoch:g} to {last:.2f}",
            "验证损失从第 {epoch:g} 轮后的 {low:.2f} 升到了 {last:.2f}，而分数还在上升",
        ),
        Text(
            "more epochs would probably learn the training rows by heart; more rows help more",
            "再增加轮数多半只会死记训练数据；增加数据更有用",
        ),
    ),
    "worse_than_simple": Message(
        Text(
            "TF-IDF and a linear classifier reach {metric} {value:.1%}, {less:.1f} points more",
            "TF-IDF 加线性分类器达到 {value:.1%}（{metric}），高出 {less:.1f} 个百分点",
        ),
        Text(
            "use them instead, as long as this model is not better",
            "在模型变好之前，请直接用它",
        ),
    ),
    "as_good_as_simple": Message(
        Text(
            (
                "TF-IDF and a linear classifier reach {metric} {value:.1%}; the difference lies between {low:+.1f} and "
                "{high:+.1f} points"
            ),
            "TF-IDF 加线性分类器达到 {value:.1%}（{metric}）；相差在 {low:+.1f} 到 {high:+.1f} 个百分点之间",
        ),
        Text(
            "a BERT is not shown to be worth its cost here; more test rows would tell",
            "还不能说明在这里值得用 BERT；更多测试数据才能看出来",
        ),
    ),
    "worth_it": Message(
        Text(
            (
                "a BERT is worth it here: {metric} {difference:.1f} points above TF-IDF and a linear classifier "
                "({value:.1%}; between {low:+.1f} and {high:+.1f})"
            ),
            (
                "在这里值得用 BERT：{metric}比 TF-IDF 加线性分类器（{value:.1%}）高 {difference:.1f} "
                "个百分点（{low:+.1f} 到 {high:+.1f} 之间）"
            ),
        ),
        Text("", ""),
    ),
    "lower_than_valid": Message(
        Text(
            "the score is {valid:.1%} on the validation set and {value:.1%} on the test set",
            "验证集上是 {valid:.1%}，测试集上是 {value:.1%}",
        ),
        Text(
            "the test rows may be of a different kind, or the validation rows too similar to the training rows",
            "测试数据可能与训练数据不同类，或者验证数据与训练数据过于相似",
        ),
    ),
    "higher_than_valid": Message(
        Text(
            "the score is {valid:.1%} on the validation set and {value:.1%} on the test set",
            "验证集上是 {valid:.1%}，测试集上是 {value:.1%}",
        ),
        Text(
            "the test rows seem easier; check whether they are like the texts the model is meant for",
            "测试数据似乎更容易；请确认它们与实际要分类的文本相像",
        ),
    ),
    "calibrated": Message(
        Text(
            "the probabilities can be taken at face value: they are off by {error:.1%} on average",
            "概率可以当真：平均只差 {error:.1%}",
        ),
        Text("", ""),
    ),
    "too_sure": Message(
        Text("the probabilities are {gap:.1f} points too high on average", "概率平均偏高 {gap:.1f} 个百分点"),
        Text(
            "predictions given 90% are right less often than that; more validation rows calibrate them better",
            "给出 90% 的预测其实没有那么准；更多验证数据能校准得更好",
        ),
    ),
    "too_unsure": Message(
        Text("the probabilities are {gap:.1f} points too low on average", "概率平均偏低 {gap:.1f} 个百分点"),
        Text(
            (
                "predictions given 70% are right more often than that; the test rows may be easier than the validation "
                "rows, or these too few to calibrate by"
            ),
            "给出 70% 的预测其实更准；测试数据可能比验证数据容易，或者验证数据太少，校准不准",
        ),
    ),
    "not_checked": Message(
        Text(
            "whether test rows are also in the training file, and what simple methods reach, was not checked",
            "没有检查测试数据是否出现在训练文件里，也没有简单方法的分数",
        ),
        Text(
            "the training file is gone or has changed, or was trained on with --drop_leaked",
            "训练文件已不在原处或有改动，或训练时用了 --drop_leaked",
        ),
    ),
    "few_rows": Message(
        Text("fewer than {least} test rows have these labels: {labels}", "这些标签的测试数据不足 {least} 行：{labels}"),
        Text(
            "their scores, and the macro means, say little; add test rows with these labels",
            "它们的分数和宏平均说明不了什么；请补充测试数据",
        ),
    ),
    "weak_recall": Message(
        Text(
            (
                "{label} is a weak spot: F1 {f1:.1%} (mean {mean:.1%}); {recall:.0%} of its rows are recognized; "
                "predicted as {other} instead: {count:,}"
            ),
            (
                "{label} 是薄弱环节：F1 {f1:.1%}（平均 {mean:.1%}）；召回率 {recall:.0%}，另有 {count:,} 行被误判为 "
                "{other}"
            ),
        ),
        Text(
            "read these rows in the confusion matrix; add training rows, or make the rules for the labels clearer",
            "请在混淆矩阵里查看这些行；需要更多训练数据，或更清楚的标注规则",
        ),
    ),
    "weak_precision": Message(
        Text(
            (
                "{label} is a weak spot: F1 {f1:.1%} (mean {mean:.1%}); {precision:.0%} of the rows predicted as it "
                "are right; really {other}: {count:,}"
            ),
            "{label} 是薄弱环节：F1 {f1:.1%}（平均 {mean:.1%}）；精确率 {precision:.0%}，有 {count:,} 行其实是 {other}",
        ),
        Text(
            "read these rows in the confusion matrix; add training rows, or make the rules for the labels clearer",
            "请在混淆矩阵里查看这些行；需要更多训练数据，或更清楚的标注规则",
        ),
    ),
    "weak_recall_in_set": Message(
        Text(
            (
                "{label} is a weak spot: F1 {f1:.1%} (mean {mean:.1%}); {recall:.0%} of its rows are recognized; "
                "{other} added instead: {count:,}"
            ),
            (
                "{label} 是薄弱环节：F1 {f1:.1%}（平均 {mean:.1%}）；召回率 {recall:.0%}，其中 {count:,} 行漏掉它"
                "而多出 {other}"
            ),
        ),
        Text(
            "read the rows that miss it; add training rows, or make the rules for the labels clearer",
            "请查看漏掉它的行；需要更多训练数据，或更清楚的标注规则",
        ),
    ),
    "weak_recall_in_set_alone": Message(
        Text(
            "{label} is a weak spot: F1 {f1:.1%} (mean {mean:.1%}); {recall:.0%} of its rows are recognized",
            "{label} 是薄弱环节：F1 {f1:.1%}（平均 {mean:.1%}）；召回率 {recall:.0%}",
        ),
        Text(
            "read the rows that miss it; add training rows, or make the rules for the labels clearer",
            "请查看漏掉它的行；需要更多训练数据，或更清楚的标注规则",
        ),
    ),
    "weak_precision_in_set": Message(
        Text(
            (
                "{label} is a weak spot: F1 {f1:.1%} (mean {mean:.1%}); {precision:.0%} of the rows predicted as it "
                "are right; added where {other} is missed: {count:,}"
            ),
            (
                "{label} 是薄弱环节：F1 {f1:.1%}（平均 {mean:.1%}）；精确率 {precision:.0%}，有 {count:,} 行多出它"
                "而漏掉 {other}"
            ),
        ),
        Text(
            "read the rows to which it is added; add training rows, or make the rules for the labels clearer",
            "请查看多出它的行；需要更多训练数据，或更清楚的标注规则",
        ),
    ),
    "weak_precision_in_set_alone": Message(
        Text(
            (
                "{label} is a weak spot: F1 {f1:.1%} (mean {mean:.1%}); {precision:.0%} of the rows predicted as it "
                "are right"
            ),
            "{label} 是薄弱环节：F1 {f1:.1%}（平均 {mean:.1%}）；精确率 {precision:.0%}",
        ),
        Text(
            "read the rows to which it is added; add training rows, or make the rules for the labels clearer",
            "请查看多出它的行；需要更多训练数据，或更清楚的标注规则",
        ),
    ),
    "weak_cut": Message(
        Text(
            "of the {rows:,} truncated rows, {accuracy:.1%} are right (of all rows, {overall:.1%})",
            "被截断的 {rows:,} 行中 {accuracy:.1%} 正确（全部为 {overall:.1%}）",
        ),
        Text(
            "raise --max_length if the model can, or use --truncation head_tail or --long_texts windows",
            "如果模型支持，请提高 --max_length，或用 --truncation head_tail、--long_texts windows",
        ),
    ),
    "weak_length": Message(
        Text(
            "of the {rows:,} rows of {name} tokens, {accuracy:.1%} are right (of all rows, {overall:.1%})",
            "{name} 个词元的 {rows:,} 行中 {accuracy:.1%} 正确（全部为 {overall:.1%}）",
        ),
        Text("check whether training has enough rows of this length", "请查看训练数据里这个长度的行是否够多"),
    ),
    "weak_part": Message(
        Text(
            "of the {rows:,} rows with {column} = {name}, {accuracy:.1%} are right (of all rows, {overall:.1%})",
            "{column} = {name} 的 {rows:,} 行中 {accuracy:.1%} 正确（全部为 {overall:.1%}）",
        ),
        Text("look at them; training may have too few of this kind", "请查看这些行；训练数据里同类的可能太少"),
    ),
    "still_learning": Message(
        Text(
            "the last evaluation, at the end of epoch {epochs}, was the best, and better than the one before",
            "第 {epochs} 轮结束时的最后一次评估最好，而且比前一次更好",
        ),
        Text("it was still learning: try more --epochs", "还在进步：可以增加 --epochs"),
    ),
    "best_at_first": Message(
        Text("the first of {evaluations} evaluations was the best", "{evaluations} 次评估中第一次最好"),
        Text(
            "it may be learning the rows by heart: lower --learning_rate, or add training rows",
            "可能在死记训练数据：请降低 --learning_rate，或增加训练数据",
        ),
    ),
}


def template_texts(language: str, for_label_sets: bool = False) -> dict[str, Any]:
    """Return what the template of the page says in a language: the texts of PAGE, and the others in groups.

    Some are others where a row may have several labels.
    """
    groups = {
        "sections": SECTIONS | LABEL_SET_SECTIONS if for_label_sets else SECTIONS,
        "metrics": METRICS,
        "baselines": BASELINES,
        "levels": LEVELS,
        "units": PLACES,
        "facts": FACTS,
    }
    page = PAGE | LABEL_SET_PAGE if for_label_sets else PAGE
    return {**in_language(page, language), **{name: in_language(texts, language) for name, texts in groups.items()}}


SCREEN: dict[str, Text] = {  # the lines that are printed of a scored test set
    "columns": Text("  precision  recall      f1  support", "     精确率  召回率      F1     行数"),
    "mean_micro": Text("micro mean", "微平均"),
    "mean_macro": Text("macro mean", "宏平均"),
    "mean_weighted": Text("weighted mean", "加权平均"),
    "accuracy": Text(
        (
            "accuracy {accuracy:.4f} (95% interval {low:.4f} to {high:.4f}), MCC {mcc:.4f}, ROC-AUC{of_label} "
            "{roc_auc}, average precision{of_label} {average_precision}"
        ),
        (
            "准确率 {accuracy:.4f}（95% 区间 {low:.4f} 到 {high:.4f}），MCC {mcc:.4f}，ROC-AUC{of_label} {roc_auc}，"
            "平均精确率{of_label} {average_precision}"
        ),
    ),
    "of_label": Text(" of {label}", "（{label}）"),
    "not_defined": Text("not defined", "无定义"),
    "calibration": Text(
        (
            "calibration error {error:.4f}, Brier score {brier:.4f} (before calibration {error_before:.4f}, "
            "{brier_before:.4f}; temperature {temperature:.2f})"
        ),
        (
            "校准误差 {error:.4f}，Brier 分数 {brier:.4f}（校准之前 {error_before:.4f}、{brier_before:.4f}；"
            "温度 {temperature:.2f}）"
        ),
    ),
    "warning": Text("warning: {sentence}", "当心：{sentence}"),
    "true_as": Text("true / as", "真实 / 预测"),
    "no_explanations": Text(
        "report.html comes without explanations: {reason}", "report.html 没有标出起作用的词：{reason}"
    ),
    "average": Text(
        "words are marked for one model, and this is the mean of several", "只能对单个模型标出，而这里是几个模型的平均"
    ),
    "too_long": Text(
        "report.html comes without the words of {rows}, too long for the memory even alone",
        "report.html 没有标出 {rows}起作用的词：太长，单独一行内存也不足",
    ),
    "scores_in": Text(
        "the scores are in {metrics}; {report} shows what they are worth", "分数在 {metrics}；{report} 说明分数是否可信"
    ),
    "predictions_in": Text(
        "{file} has all rows, the errors ({errors:,}) first, most confident first",
        "{file} 有全部数据行，预测错的（{errors:,} 行）在前，最有把握的最前",
    ),
    "model": Text(
        "{models}, from {base_model}, on {device} in {precision}", "{models}，来自 {base_model}，{device}，{precision}"
    ),
    "mean_of": Text("the mean of {models}", "{models} 的平均"),
    "together": Text("{model}, {processes}", "{model}，{processes}"),
}
VERDICT: dict[str, Text] = {  # on a run that is worse than simple methods
    "worse": Text(
        ("warning: on the validation rows this model is worse than {method}: {metric} {model:.4f}, not {simple:.4f}"),
        "当心：在验证集上，这个模型不如简单方法（{method}）：{metric} {model:.4f}，而不是 {simple:.4f}",
    ),
    "may_help": Text("what may help: ", "可以试试："),
    "to_try": Text("to try it: {command}", "试一试：{command}"),
}
LABEL_SETS: dict[str, Text] = {  # where a row may have several labels
    "columns": Text(
        "  precision  recall      f1     rows  threshold",
        "     精确率  召回率      F1     行数       阈值",
    ),
    "more": Text("... and {count:,} more labels, in metrics.json", "……另有 {count:,} 个标签，见 metrics.json"),
    "scores": Text(
        "micro f1 {micro_f1:.4f} (95% interval {low:.4f} to {high:.4f})  sample f1 {sample_f1:.4f}  subset accuracy "
        "{subset_accuracy:.4f}  hamming loss {hamming_loss:.4f}  mean average precision {mean_average_precision}  "
        "macro roc auc {macro_roc_auc}",
        "微平均 F1 {micro_f1:.4f}（95% 区间 {low:.4f} 到 {high:.4f}）  按行平均 F1 {sample_f1:.4f}  完全正确率 "
        "{subset_accuracy:.4f}  汉明损失 {hamming_loss:.4f}  平均精度均值 {mean_average_precision}  "
        "宏平均 ROC AUC {macro_roc_auc}",
    ),
    "calibration": Text(
        "calibration error {error:.4f} ({error_before:.4f} before the temperature {temperature:.3f})",
        "校准误差 {error:.4f}（除以温度 {temperature:.3f} 之前是 {error_before:.4f}）",
    ),
    "instead": Text(
        "{missed} is missed and {added} added in {rows:,} rows", "漏掉 {missed} 而多出 {added}：{rows:,} 行"
    ),
}
