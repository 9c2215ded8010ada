"""What is said of how texts become tokens, and of models that cannot read them, in English and Chinese side by side."""

from toolkit.base.languages import Text

TOKENIZING = Text("tokenizing {file}", "分词 {file}")
LENGTHS: dict[str, Text] = {
    "above_limit": Text(
        "--max_length {max_length}: this model takes at most {limit} tokens",
        "--max_length {max_length}：这个模型最多接受 {limit} 个词元",
    ),
    "above_real_limit": Text(
        "--max_length {max_length}: this model takes at most {limit} tokens, fewer than its configuration says",
        "--max_length {max_length}：这个模型最多接受 {limit} 个词元，比它的配置写的少",
    ),
    "no_room": Text(
        "--max_length {max_length}: too short to hold text beside the special tokens ({special}); raise it",
        "--max_length {max_length}：太短，除了特殊词元（{special} 个）放不下文本；请提高",
    ),
    "slow_tokenizer": Text(
        "{file}: a row has {length} tokens, and only a fast tokenizer can truncate it; raise --max_length",
        "{file}：有一行是 {length} 个词元，而只有快速分词器（fast tokenizer）才能截断；请提高 --max_length",
    ),
    "only_second": Text(
        "--truncation only_second is for pairs of texts, and these rows have one text each",
        "--truncation only_second 用于文本对，而这些行每行只有一段文本",
    ),
    "stride": Text(
        (
            "--stride {stride}: a window of --max_length {max_length} may have room for {room} tokens of a text, and "
            "has to go on from the one before; lower --stride"
        ),
        (
            "--stride {stride}：--max_length {max_length} 的窗口可能只放得下文本的 {room} 个词元，"
            "而每个窗口要比前一个更靠后；请降低 --stride"
        ),
    ),
}
OTHER_SPLITS = Text(
    "--trim_vocabulary: this tokenizer splits texts otherwise without the tokens that none has",
    "--trim_vocabulary：去掉没有用到的词元后，这个分词器切分文本的结果会改变",
)
MODEL: dict[str, Text] = {  # why one cannot be used
    "unsteady": Text(
        "model {name}: it scores the same text differently when it scores it again",
        "模型 {name}：同一段文本再打一次分，结果不同",
    ),
    "of_batch": Text(
        "model {name}: its scores of a text depend on the other texts of the batch",
        "模型 {name}：一段文本的分数会受同一批中其他文本的影响",
    ),
    "no_scores": Text(
        "model {name}: {kind} cannot score a text ({reason})", "模型 {name}：{kind} 不能给文本打分（{reason}）"
    ),
    "no_numbers": Text(
        "model {name}: the scores that it gives to a text are not finite numbers",
        "模型 {name}：给文本的分数不是有限的数",
    ),
    "blind": Text(
        "model {name}: it gives all texts the same scores, so it does not read them",
        "模型 {name}：所有文本的分数都相同，说明它没有读文本",
    ),
    "unusable": Text(
        "model {name}: {kind} cannot be used here ({problem})", "模型 {name}：{kind} 不能在这里使用（{problem}）"
    ),
    "precision": Text(
        "--precision {precision}: {kind} cannot compute in it ({problem}); fp32 and auto do",
        "--precision {precision}：{kind} 不能用它计算（{problem}）；fp32 和 auto 可以",
    ),
    "scores": Text("its scores are not finite numbers", "分数不是有限的数"),
    "gradients": Text("its gradients are not finite numbers", "梯度不是有限的数"),
}
