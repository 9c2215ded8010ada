"""What is said of the words on a command line that do not fit, in English and Chinese side by side."""

from toolkit.base.languages import Text

WORDS: dict[str, Text] = {  # that no option takes
    "unknown": Text("unknown option {word}; --help lists them all", "没有 {word} 这个选项；--help 列出全部选项"),
    "unknown_near": Text("unknown option {word}; did you mean {near}?", "没有 {word} 这个选项；是不是 {near}？"),
    "unexpected": Text(
        "unexpected argument {word}; did you mean {option} {word}?", "多余的参数 {word}；是不是 {option} {word}？"
    ),
    "no_text": Text("{word} is not utf-8 text; rename the file", "{word} 不是 utf-8 文本；请给文件改名"),
}
ARGUMENT_FILES: dict[str, Text] = {
    "problem": Text("argument file {name}: {reason}", "参数文件 {name}：{reason}"),
    "no_text": Text("it is not utf-8 text; save it as utf-8", "不是 utf-8 文本；请另存为 utf-8"),
    "nul": Text("contains a NUL character", "含有 NUL 字符"),
}
VALUES: dict[str, Text] = {  # of options
    "no_whole_number": Text("{word} is not a whole number", "{word} 不是整数"),
    "no_number": Text("{word} is not a number", "{word} 不是数"),
    "out_of_range": Text("must be {bounds} and finite, not {word}", "应{bounds}，且是有限的数，而不是 {word}"),
    "above": Text("above {least:g}", "大于 {least:g}"),
    "at_least": Text("at least {least:g}", "不小于 {least:g}"),
    "between": Text("{low} and at most {most:g}", "{low}、不大于 {most:g}"),
    "separator": Text(
        "{word} is neither auto, comma, semicolon, tab, bar nor one character that can separate fields",
        "{word} 不是 auto、comma、semicolon、tab、bar，也不是一个可以分隔字段的字符",
    ),
    "trained_part": Text(
        "{word} is neither all, head, lora nor top:N, as in top:3",
        "{word} 不是 all、head、lora，也不是 top:N（例如 top:3）",
    ),
    "label_separator": Text(
        "{word} cannot stand between labels; it is a text without quotes and line breaks, such as ;",
        "{word} 不能作标签之间的分隔符；它应是不含引号和换行的文字，例如 ;",
    ),
    "column_names": Text(
        "{words} names no columns, or one of them twice; they are written as label,text",
        "{words} 没有写出列名，或有一列写了两次；应写成 label,text 这样",
    ),
}
COMBINATIONS: dict[str, Text] = {  # of options that do not go together
    "with": Text("{option} cannot be combined with {other}", "{option} 不能与 {other} 同时使用"),
    "label_sets": Text("--{name} is for --multi_label", "--{name} 用于 --multi_label"),
    "without_label_sets": Text(
        "--multi_label does not support {option} yet; leave it out", "--multi_label 暂不支持 {option}；请去掉它"
    ),
    "label_sets_metric": Text(
        "--metric {metric} is for one label a row; --multi_label has {others}",
        "--metric {metric} 用于一行一个标签；--multi_label 可用 {others}",
    ),
    "metric": Text(
        "--metric {metric} is for --multi_label; for one label a row there are {others}",
        "--metric {metric} 用于 --multi_label；一行一个标签时可用 {others}",
    ),
    "label_columns_twice": Text(
        "--label_columns {columns}: a column is named twice", "--label_columns {columns}：有一列写了两次"
    ),
    "windows": Text("--{name} is for --long_texts windows", "--{name} 用于 --long_texts windows"),
    "unlabelled": Text(
        "--unlabelled_file is for --teacher, which predicts the labels of its texts",
        "--unlabelled_file 用于 --teacher，由教师模型预测其中文本的标签",
    ),
    "loss": Text(
        "--{name} is for --loss {loss}, and this is --loss {own}", "--{name} 用于 --loss {loss}，而这里是 --loss {own}"
    ),
    "head": Text(
        "--{name} is for --head cls, mean and mlp, and this is --head model",
        "--{name} 用于 --head cls、mean 和 mlp，而这里是 --head model",
    ),
    "pooling_head": Text(
        "--pooling mean is for --head model, and this is --head {head}; --head mean reads the mean",
        "--pooling mean 用于 --head model，而这里是 --head {head}；--head mean 本来就读平均值",
    ),
    "pooling_part": Text(
        "--pooling mean adds a layer, of which --train {train} would save nothing; --head mean does without",
        "--pooling mean 会加一层，而 --train {train} 不会保存它；--head mean 不需要这一层",
    ),
    "vocabulary_part": Text(
        (
            "--trim_vocabulary makes the saved model smaller, and --train {train} saves no vocabulary; leave one of "
            "them out"
        ),
        "--trim_vocabulary 是为了让保存的模型更小，而 --train {train} 不保存词表；请去掉其中一个",
    ),
}
PACKAGES: dict[str, Text] = {  # that an option needs
    "peft": Text(
        "--train lora needs the package peft, which brings accelerate (pip install peft)",
        "--train lora 需要软件包 peft，它会带上 accelerate（pip install peft）",
    ),
    "cleanlab": Text(
        "--find_label_errors needs the package cleanlab (pip install cleanlab)",
        "--find_label_errors 需要软件包 cleanlab（pip install cleanlab）",
    ),
}
LABEL_NAMES: dict[str, Text] = {  # of --map_labels
    "word": Text(
        "--map_labels {word}: should be OLD=NEW, or a csv or json file of old and new names",
        "--map_labels {word}：应是 OLD=NEW（旧名=新名），或写有旧名和新名的 csv、json 文件",
    ),
    "file": Text(
        (
            "--map_labels {name}: {reason}; it should be a json object of old and new names, or a csv file of two "
            "columns, old and new"
        ),
        "--map_labels {name}：{reason}；应是由旧名和新名组成的 json 对象，或 old、new 两列的 csv 文件",
    ),
    "empty": Text("--map_labels {name}: a name in it is empty", "--map_labels {name}：里面有一个名称是空的"),
    "no_name": Text("{value} is no name of a label", "{value} 不能作标签名"),
}
CLASS_WEIGHTS: dict[str, Text] = {
    "word": Text(
        "--class_weight {word}: should be none, balanced, or LABEL=WEIGHT for some of the labels",
        "--class_weight {word}：应是 none、balanced，或给一部分标签写 LABEL=WEIGHT（标签=权重）",
    ),
    "twice": Text(
        "--class_weight {word}: the label has a weight already", "--class_weight {word}：这个标签已经有权重了"
    ),
    "weight": Text("--class_weight {word}: the weight {reason}", "--class_weight {word}：权重 {reason}"),
}
