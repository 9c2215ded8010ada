"""What is printed of scores beside those of simple methods and of other runs, in English and Chinese side by side."""

from toolkit.base.languages import Text

METHODS: dict[str, Text] = {  # simple ones
    "most_frequent_label": Text("always the most frequent label", "总是回答最常见的标签"),
    "tfidf": Text("TF-IDF and a linear classifier", "TF-IDF 加线性分类器"),
}
BASELINES: dict[str, Text] = {
    "comparison": Text(
        "for comparison: {method} has accuracy {accuracy:.4f}, macro f1 {macro_f1:.4f}",
        "作为对照：{method}的准确率是 {accuracy:.4f}，宏平均 F1 是 {macro_f1:.4f}",
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
COMPARISON: dict[str, Text] = {
    "scores": Text(
        "against {other}: accuracy {accuracy}, macro f1 {macro_f1}",
        "与 {other} 相比：准确率 {accuracy}，宏平均 F1 {macro_f1}",
    ),
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
