"""What infer.py prints, in English and Chinese side by side."""

from toolkit.base.languages import Text

COLUMNS: dict[str, Text] = {  # of the input that are called as those that are added
    "column": Text("the column {listed}", " {listed} 列"),
    "columns": Text("the columns {listed}", " {listed} 这些列"),
    "used": Text(
        "{file}: the output would replace {columns}; {keep_both} keeps both",
        "{file}：输出会替换{columns}；用 {keep_both} 可以两者都保留",
    ),
    "there": Text(
        "{file}: already has {columns}; --overwrite replaces them, {keep_both} keeps both",
        "{file}：已有{columns}；--overwrite 会替换，{keep_both} 可以两者都保留",
    ),
    "one_there": Text(
        "{file}: already has {columns}; --overwrite replaces it, {keep_both} keeps both",
        "{file}：已有{columns}；--overwrite 会替换，{keep_both} 可以两者都保留",
    ),
    "replaced": Text("{file}: {columns} are replaced (--overwrite)", "{file}：替换了{columns}（--overwrite）"),
}
ROWS: dict[str, Text] = {
    "no_prediction": Text("no prediction: {row}", "没有预测：{row}"),
    "left_out": Text("left out: {row}", "未使用：{row}"),
    "accounts": Text(
        "{file}: {taken_for}{rows} = {predicted:,} predicted{earlier} + {others:,} {kind}",
        "{file}：{taken_for}{rows} = 预测 {predicted:,}{earlier} + {kind} {others:,}",
    ),
    "earlier": Text(" ({count:,} of them by an earlier run)", "（其中 {count:,} 行由之前的运行预测）"),
    "without_prediction": Text("without a prediction", "没有预测"),
    "rejected": Text("rejected", "未使用"),
    "reasons": Text("{file} says why {rows} could not be used", "{file} 列出 {rows}不能用的原因"),
    "speed": Text(
        "{speed:,.0f} rows per second; the predictions are in {file}", "每秒 {speed:,.0f} 行；预测结果在 {file}"
    ),
}
SEVERAL_MODELS = Text(
    "--model_dir names {count} models; --output_file says where their common predictions go",
    "--model_dir 有 {count} 个模型；请用 --output_file 指定它们共同的预测写到哪里",
)
THERE = Text(
    "{file} already exists; --overwrite replaces it, --output_file can name another file",
    "{file} 已存在；--overwrite 会替换它，--output_file 可以指定别的文件",
)
PREDICTING = Text("predicting", "预测")
MERGED = Text("the whole model is in {folder}", "完整的模型在 {folder}")
