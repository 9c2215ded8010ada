"""What main.py prints before, while and after it trains, in English and Chinese side by side."""

from toolkit.base.languages import Text

ROWS: dict[str, Text] = {  # what becomes of the rows of a file
    "left_out": Text("    left out: {place}: {reason}", "    未使用：{place}：{reason}"),
    "more_left_out": Text("    and {count:,} more", "    另有 {count:,} 行"),
    "unused_names": Text("--map_labels: no row has the label {listed}", "--map_labels：没有一行的标签是 {listed}"),
    "held_out": Text(
        "{rows} of these held out for validation (--valid_ratio)", "其中 {rows}留作验证集（--valid_ratio）"
    ),
    "held_out_groups": Text(
        "    {held_out:,} of {groups:,} groups among them, each of them whole (--group_column {column})",
        "    包含 {groups:,} 组中的 {held_out:,} 组，每一组都是完整的（--group_column {column}）",
    ),
    "copies": Text(
        "    {groups} of equal or nearly equal texts kept on one side (--keep_duplicates_together)",
        "    {groups}相同或几乎相同的文本各留在同一边（--keep_duplicates_together）",
    ),
    "divided": Text(
        "    {groups} of nearly equal texts divided into smaller ones, since each had most of the rows of a label",
        "    {groups}几乎相同的文本被拆成小组，因为每一组都占了某个标签的大部分行",
    ),
}
LENGTHS: dict[str, Text] = {  # how long the rows are
    "percentiles": Text(
        "median {median}, 90% {most}, 99% {nearly_all}, longest {longest}",
        "中位数 {median}，90% 分位 {most}，99% 分位 {nearly_all}，最长 {longest}",
    ),
    "truncated": Text(
        "--max_length {max_length} truncates {share:.1%} of the rows",
        "--max_length {max_length} 会截断 {share:.1%} 的行",
    ),
    "lost": Text(
        "many rows lose their end: a higher --max_length, --truncation head_tail or --long_texts windows may score "
        "better",
        "许多行的结尾被截掉：提高 --max_length，或用 --truncation head_tail、--long_texts windows，分数可能更高",
    ),
    "windows": Text(
        "--long_texts windows: {longer} of {rows:,} are longer than {max_length}; all rows become {windows}, "
        "overlapping by {stride}",
        "--long_texts windows：{rows:,} 行中有 {longer}超过 {max_length} 个词元；全部行分成 {windows}，"
        "重叠 {stride} 个词元",
    ),
    "cut": Text(
        "longer than {windows} (--max_windows): {rows}, of which as many are read, evenly spaced",
        "有 {rows}超过 {windows}（--max_windows），只均匀地读其中这么多个窗口",
    ),
}
VOCABULARY: dict[str, Text] = {
    "kept": Text(
        "{kept:,} of {size:,} tokens: those of these files, common ones in their letters, characters",
        "保留 {size:,} 个词元中的 {kept:,} 个：这些文件里出现的、同类文字里常见的，以及单个字符",
    ),
    "changed": Text(
        "{share:.0%} of the validation rows have a token that no training row has;",
        "{share:.0%} 的验证行里有训练集中没有的词元；",
    ),
    "split": Text(
        "of that many new texts, words will be split into shorter pieces (--trim_vocabulary)",
        "新文本中大约也有这么多会被切成更短的片段（--trim_vocabulary）",
    ),
}
MODEL: dict[str, Text] = {
    "weights": Text("{name}, {count:,} weights", "{name}，{count:,} 个参数"),
    "new": Text(
        "{names} are new: this model has yet to learn these labels",
        "{names} 是新加的：模型还没有学过这些标签",
    ),
    "unread": Text(
        "not read, because pickles can run code: {files}",
        "没有读取这些文件，因为 pickle 可以执行代码：{files}",
    ),
    "trained_part": Text("{count:,} weights (--train {part}); {rest}", "{count:,} 个参数（--train {part}）；{rest}"),
    "lora": Text("LoRA's and the head's; the others stay", "LoRA 和分类头的参数，其余不变"),
    "frozen": Text("the others stay, and draw no dropout", "其余参数不变，也不做 dropout"),
    "probe": Text(
        "its last layer begins with logistic regression on what the pretrained model makes of the rows",
        "最后一层的初值是在预训练模型的表示上做的逻辑回归",
    ),
    "mean": Text(
        "one more layer gives its head the mean over the tokens (--pooling mean)",
        "加了一层，让分类头读所有词元的平均（--pooling mean）",
    ),
    "left_out_layers": Text(
        "{count} weights are of layers that config.json leaves out, and are not read",
        "有 {count} 个权重属于 config.json 没有写的层，没有读取",
    ),
    "frozen_anew": Text(
        "the frozen layers are computed anew in every epoch; what they give is kept only of {kind}",
        "每一轮都重新计算冻结的层；只有{kind}才会保存它们的输出",
    ),
    "of_berts_kind": Text("layers of BERT's kind, and with --fast", "BERT 一类的层，并且用了 --fast，"),
    "of_one_process": Text("a process that works alone", "单进程训练"),
    "frozen_too_large": Text(
        "the frozen layers are computed anew in every epoch: what they give is more than 2 GiB",
        "每一轮都重新计算冻结的层：它们的输出超过 2 GiB",
    ),
    "frozen_kept": Text(
        "what the frozen layers give is computed once and kept in memory, {size:,.1f} MB",
        "冻结的层只计算一次，输出保存在内存里，{size:,.1f} MB",
    ),
}
TEACHERS: dict[str, Text] = {
    "agreement": Text(
        "{share:.1%} of the training rows have the label that is most probable to them",
        "{share:.1%} 的训练行的标签就是教师模型认为最可能的标签",
    ),
    "mean": Text("the mean probabilities of {listed}", "{listed} 的概率平均"),
    "label_sets": Text(
        "--teacher {folder} gives a text any number of labels, and each training row has one",
        "--teacher {folder} 会给一条文本多个标签，而训练数据一行只有一个",
    ),
    "other_labels": Text(
        "--teacher {folder} has other labels than the training rows: {theirs}, not {own}",
        "--teacher {folder} 的标签与训练数据不同：是 {theirs}，而不是 {own}",
    ),
    "other_kind": Text(
        "--teacher {folder} was trained on {theirs}, and the training rows are {own}",
        "--teacher {folder} 是用{theirs}训练的，而训练数据是{own}",
    ),
}
LOSS: dict[str, Text] = {
    "focal": Text("focal, gamma {gamma:g}", "focal loss，gamma {gamma:g}"),
    "label_sets": Text("binary cross entropy, mean over the labels", "二元交叉熵，对各标签取平均"),
    "smoothing": Text(
        "cross entropy, {share:g} of the target shared by all labels",
        "交叉熵，标签平滑 {share:g}",
    ),
    "weights": Text("a row weighs as its label: {listed}", "每行按标签加权：{listed}"),
    "unknown_labels": Text(
        "--class_weight: no training row has the label {names}; the labels are {known}",
        "--class_weight：没有一行训练数据的标签是 {names}；标签有 {known}",
    ),
    "and_others": Text("{listed} and others", "{listed} 等"),
    "valid_loss": Text(
        "valid loss stays the plain cross entropy, which probabilities are judged by",
        "验证损失仍是普通的交叉熵，概率好坏以它为准",
    ),
}
RECIPE: dict[str, Text] = {
    "values": Text(
        "{epochs} at a learning rate of {rate:g}, evaluated {often}",
        "训练 {epochs}，学习率 {rate:g}，{often}",
    ),
    "patience": Text(
        ", stopped after {evaluations} without improvement",
        "，{evaluations}没有提高就早停",
    ),
    "every_steps": Text("every {steps} and epoch", "每 {steps}和每轮结束时评估"),
    "every_epoch": Text("every epoch", "每轮结束时评估"),
    "chosen_for": Text("chosen for {reasons}", "按{reasons}选定"),
    "hidden_size": Text("hidden states of {size} values", "隐藏层维度 {size}"),
}
STEPS: dict[str, Text] = {
    "padding": Text(
        "{share:.1%} of the tokens (padded batches in random order: {random:.1%})",
        "占词元的 {share:.1%}（随机顺序分批填充则为 {random:.1%}）",
    ),
    "steps": Text(
        "{steps:,} ({steps_an_epoch:,} an epoch), {rows} each",
        "{steps:,} 步（每轮 {steps_an_epoch:,} 步），每步 {rows}",
    ),
    "done": Text(", {done:,} of them done", "，已完成 {done:,} 步"),
}
MACHINE: dict[str, Text] = {
    "several": Text("{several}, {device}", "{several}，{device}"),
    "place": Text("{place} in {precision}", "{place}，{precision}"),
    "threads": Text(", {threads}", "，{threads}"),
    "threads_each": Text(", {threads} each", "，每个进程 {threads}"),
    "versions": Text(
        "{place}, torch {torch}, transformers {transformers}",
        "{place}，torch {torch}，transformers {transformers}",
    ),
}
RUN: dict[str, Text] = {  # while it trains, and in the end
    "fit": Text(
        "nothing in the data stops training, and nothing looks wrong; nothing was written",
        "数据可以用来训练，也没有发现异常；没有写任何文件",
    ),
    "fit_but": Text(
        "nothing in the data stops training, but {findings} above should be looked at; nothing was written",
        "数据可以用来训练，但上面有 {findings}值得查看；没有写任何文件",
    ),
    "stopped_early": Text(
        "stopped early: no improvement in {evaluations} (--early_stopping)",
        "早停：连续{evaluations}没有提高（--early_stopping）",
    ),
    "trained": Text("trained for {speed}; the best model is in {folder}", "训练用时 {speed}；最好的模型在 {folder}"),
    "next": Text("next: {command}", "下一步：{command}"),
    "merged": Text("the whole model is in {folder}", "完整的模型在 {folder}"),
    "bad_step": Text(
        "step {step}: the loss or its gradient is not a number, so the weights stay as they are",
        "第 {step} 步：损失或梯度不是数，参数保持不变",
    ),
    "bad_rows": Text("           its rows: {file}, {place}", "           所在的行：{file}，{place}"),
    "too_many_bad_steps": Text(
        (
            "the loss or its gradient was not a number in {steps} (--max_bad_steps {most}); lower --learning_rate, or "
            "check the rows of these steps, which train.log lists"
        ),
        (
            "有 {steps}的损失或梯度不是数（--max_bad_steps {most}）；请降低 --learning_rate，"
            "或检查 train.log 列出的这些步的数据"
        ),
    ),
    "shared_gradient": Text(
        (
            "out of memory while the processes shared a gradient; continue with --resume and a smaller "
            "--micro_batch_size"
        ),
        "各进程共享梯度时内存不足；请用 --resume 和更小的 --micro_batch_size 继续",
    ),
    "overflow": Text(
        (
            "gradients overflow fp16 at any scale; start a new run with --precision bf16 or fp32, or with a lower "
            "--learning_rate"
        ),
        "无论怎样缩放，梯度在 fp16 下都会溢出；请用 --precision bf16 或 fp32，或更低的 --learning_rate 重新训练",
    ),
    "stopped_without_trace": Text(
        "stopped by {signal}; nothing of this work was kept; run the same command to start again",
        "因信号 {signal} 停止；没有保存任何内容；请用同一条命令重新开始",
    ),
    "stopped": Text(
        "stopped by {signal}; step {step} is saved. To continue: {command}",
        "因信号 {signal} 停止；第 {step} 步已保存。继续训练：{command}",
    ),
    "same_launcher": Text("the same launcher and main.py", "同样的启动命令和 main.py"),
}
BARS: dict[str, Text] = {  # what progress bars are about
    "evaluating": Text("evaluating", "评估"),
    "frozen": Text("frozen layers", "冻结层"),
    "scoring": Text("scoring", "评分"),
    "teachers": Text("the teachers predict", "教师模型预测"),
}
