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
COMBINATIONS: dict[str, Text] = {  # that do not go together, or with the model
    "label_sets": Text(
        "{option} does not support several labels a row yet; leave it out", "{option} 暂不支持一行多个标签；请去掉它"
    ),
    "text_pair": Text("--text_pair needs --text", "--text_pair 要与 --text 一起用"),
    "text": Text(
        "--text prints its prediction and cannot be combined with --input_file or --output_file",
        "--text 直接打印预测，不能与 --input_file 或 --output_file 同时使用",
    ),
    "int8_text": Text(
        "--precision int8 is checked against fp32 on rows of a file; --min_agreement 0 skips the check",
        "--precision int8 要在文件的行上与 fp32 对照；--min_agreement 0 可以跳过对照",
    ),
    "int8_pipe": Text(
        (
            "--precision int8 is checked against fp32 on rows of a file; for a pipe give an --output_file, or skip the "
            "check with --min_agreement 0"
        ),
        (
            "--precision int8 要在文件的行上与 fp32 对照；输入是管道时请给出 --output_file，"
            "或用 --min_agreement 0 跳过对照"
        ),
    ),
    "pairs": Text("this model was trained on pairs: give --text_pair", "这个模型是用文本对训练的：请给出 --text_pair"),
    "single_texts": Text(
        "this model was trained on single texts: leave out --text_pair",
        "这个模型是用单条文本训练的：请去掉 --text_pair",
    ),
    "export": Text(
        "--export writes one model and predicts nothing; leave out {other}, or name one model",
        "--export 只写出一个模型，不做预测；请去掉 {other}，或只给一个模型",
    ),
    "merge": Text("--merge writes one model; --model_dir names several", "--merge 只写一个模型；而 --model_dir 有几个"),
    "merged": Text("--merge: {folder} has a whole model already", "--merge：{folder} 里已经是完整的模型"),
    "other_models": Text(
        "--model_dir {folders}: the processes see different models there; start again",
        "--model_dir {folders}：各进程看到的模型不同；请重新开始",
    ),
}
OUTPUT: dict[str, Text] = {  # why a file cannot be written
    "input": Text("--output_file {path} is the input file", "--output_file {path} 就是输入文件"),
    "rejected_input": Text(
        "{rejected} is the input file, and rejected rows of --output_file {path} would replace it",
        "{rejected} 是输入文件，而 --output_file {path} 未使用的行会把它覆盖",
    ),
    "reserved": Text(
        "--output_file {path}: names ending in {ending} are reserved for lists of rejected rows",
        "--output_file {path}：以 {ending} 结尾的名称专用于未使用的行",
    ),
    "changed": Text("{file} changed while it was being read; start again", "{file} 在读取时变了；请重新开始"),
    "parts": Text(
        "{folder} already exists and is not infer.py's; remove it, or name another --output_file",
        "{folder} 已存在，而且不是 infer.py 写的；请移走它，或换一个 --output_file",
    ),
    "column": Text(
        "the input already has a column {name}, which the output would add; rename or remove it",
        "输入里已有 {name} 列，而输出也要加这一列；请改名或去掉它",
    ),
    "package": Text(
        "{kind} files need the package {package} (pip install {package})",
        "写 {kind} 文件需要软件包 {package}（pip install {package}）",
    ),
    "too_many_rows": Text(
        "{rows:,} rows are more than a sheet of Excel holds; --output_file predictions.csv takes them",
        "{rows:,} 行超过 Excel 工作表的上限；请用 --output_file predictions.csv",
    ),
    "no_stream": Text(
        "{kind} cannot be written to standard output; --output_file names a file",
        "{kind} 不能写到标准输出；请用 --output_file 指定文件",
    ),
    "excel_safe": Text(
        "--excel_safe is for csv and tsv, not for {kind}", "--excel_safe 用于 csv 和 tsv，不能用于 {kind}"
    ),
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
RANK_NEEDS_A_FILE = Text(
    "--rank writes no row before all are predicted, so standard output would wait; --output_file names a file for it",
    "--rank 要等所有行都预测完才能写出第一行，不能写到标准输出；请用 --output_file 指定一个文件",
)
RANKED = Text(
    "the rows to label first stand first; those that nearly equal an earlier one or are labelled stand last: {repeats}",
    "最该先标注的行排在最前；与前面的行几乎相同的和已标注的排在最后：{repeats}",
)
PREDICTING = Text("predicting", "预测")
MERGED = Text("the whole model is in {folder}", "完整的模型在 {folder}")
