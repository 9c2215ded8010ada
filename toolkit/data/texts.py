"""What is said of rows, tables and labels, in English and Chinese side by side."""

from toolkit.base.languages import Text

CELLS: dict[str, Text] = {  # why a cell cannot be used
    "empty": Text("{column} is empty", "{column} 为空"),
    "several_labels": Text(
        "{column} is {value}; several labels a row need --multi_label",
        "{column} 是 {value}；一行有多个标签时，请加 --multi_label",
    ),
    "no_label": Text(
        "{column} is {value}; labels are strings or numbers",
        "{column} 是 {value}；标签应是字符串或数字",
    ),
    "neither": Text(
        "{column} is {value}; in the column of a label it should be 0, 1, true or false",
        "{column} 是 {value}；标签列里应是 0、1、true 或 false",
    ),
    "no_text": Text("{column} is a {type}, not a string", "{column} 是 {type}，不是字符串"),
    "nul": Text("{column} contains a NUL character", "{column} 含有 NUL 字符"),
    "incomplete": Text("{column} contains an incomplete character", "{column} 含有不完整的字符"),
    "undecoded": Text(
        (
            "{column} contains byte 0x{byte:02X}, which is not valid in the encoding of this file "
            "(--encoding can name another)"
        ),
        "{column} 含有字节 0x{byte:02X}，在这个文件的编码里无效（可用 --encoding 指定别的编码）",
    ),
}
ROWS: dict[str, Text] = {
    "rejected": Text("{file}, {place}: {reason}", "{file}，{place}：{reason}"),
    "header": Text("is a header, not a row", "是表头，不是数据行"),
    "unknown_label": Text("label is {label}, which the training data does not have", "标签是 {label}，训练数据里没有"),
    "leaked": Text("also found in another file (--drop_leaked)", "也出现在另一个文件里（--drop_leaked）"),
    "group_leaked": Text(
        "of a group that is also in another file (--drop_leaked)", "所属的组也出现在另一个文件里（--drop_leaked）"
    ),
    "summary": Text("{file}: {bad:,} of {total:,} rows cannot be used", "{file}：{total:,} 行中有 {bad:,} 行不能用"),
    "summary_skip": Text(
        "{file}: {bad:,} of {total:,} rows cannot be used (--on_bad_rows skip leaves them out)",
        "{file}：{total:,} 行中有 {bad:,} 行不能用（用 --on_bad_rows skip 可以跳过它们）",
    ),
}
TABLES: dict[str, Text] = {
    "accounts": Text(
        "{file}: {taken_for}{rows} = {used:,} used + {rejected:,} rejected",
        "{file}：{taken_for}{rows} = 使用 {used:,} + 未使用 {rejected:,}",
    ),
    "only_header": Text("{file}: there are no rows, only a header", "{file}：没有数据行，只有表头"),
    "no_rows": Text("{file}: there are no rows", "{file}：没有数据行"),
    "no_column": Text(
        "{file}: no column {column}{where}, only {names}; {hint}",
        "{file}：{where}没有 {column} 列，只有 {names}；{hint}",
    ),
    "in_first_objects": Text(" in the first {count} objects", "前 {count} 个对象里"),
    "txt_hint": Text("a txt file is text<TAB>label", "txt 文件每行应是 text<TAB>label"),
    "column_hint": Text("--{option} can name another", "可用 --{option} 指定列名"),
    "indicators": Text(
        "--label_column can name another, or --multi_label --label_columns {columns} several",
        "可用 --label_column 指定列名，或用 --multi_label --label_columns {columns} 指定多个标签列",
    ),
    "label_columns_hint": Text(
        "--label_columns of main.py names others; --label_column, one column with all labels of a row",
        "main.py 的 --label_columns 可指定别的列；--label_column 可指定写有全部标签的一列",
    ),
    "header_hint": Text(
        "{hint}; --no_header, if the first line is a row", "{hint}；如果第一行就是数据，请加 --no_header"
    ),
    "one_column": Text(
        "{file}: --{first} and --{second} both name {column}",
        "{file}：--{first} 和 --{second} 都指向 {column} 列",
    ),
}
JOINED: dict[str, Text] = {  # after a problem
    "several": Text(
        "several labels a row need main.py --multi_label --label_separator {separator}",
        "一行有多个标签时，请用 main.py --multi_label --label_separator {separator}",
    ),
    "another": Text(
        "they look joined with {separator}, and the separator is {looked_for}: main.py --multi_label --label_separator "
        "{separator} learns each of them by itself",
        "看起来是用 {separator} 连接的，而分隔符是 {looked_for}：用 main.py --multi_label --label_separator "
        "{separator} 可以分别学习每个标签",
    ),
    "problem": Text("{problem}; {hint}", "{problem}；{hint}"),
}
LABELS: dict[str, Text] = {
    "one_label": Text(
        "{file}: every row has the label {label}; a classifier needs at least two labels",
        "{file}：每一行的标签都是 {label}；分类器至少需要两个标签",
    ),
    "no_labels": Text(
        "{file}: no row has a label; is this the label column?",
        "{file}：没有一行有标签；这一列真的是标签吗？",
    ),
    "has_separator": Text(
        (
            "the label {label} contains {separator}, which stands between the labels of a row; "
            "--label_separator names another"
        ),
        "标签 {label} 含有 {separator}，而它是同一行各标签之间的分隔符；请用 --label_separator 换一个",
    ),
    "hardly_labels": Text(
        "{file}: {labels:,} different labels in {rows:,} rows; is this the label column?",
        "{file}：{rows:,} 行里有 {labels:,} 个不同的标签；这一列真的是标签吗？",
    ),
    "other_spellings": Text(
        (
            "{file}: {rows} with labels that differ from the training data's in case, width or decimal point only: "
            "{listed}; {option} makes them the same"
        ),
        "{file}：有 {rows}的标签与训练数据的标签只在大小写、全半角或小数点上不同：{listed}；用 {option} 可以统一",
    ),
    "unknown": Text(
        "{file}: {rows} with labels that the training data does not have: {listed}",
        "{file}：有 {rows}的标签在训练数据里没有：{listed}",
    ),
    "skip_unknown": Text(
        "{problem}; --on_bad_rows skip leaves them out", "{problem}；用 --on_bad_rows skip 可以跳过它们"
    ),
    "at": Text("{label} ({place})", "{label}（{place}）"),
    "no_split": Text(
        "{file}: every label has only one row, so none can be held out; give a --valid_file",
        "{file}：每个标签都只有一行，无法留出验证集；请用 --valid_file 指定验证集",
    ),
    "no_group_split": Text(
        "{file}: every group ({column}) has all rows of some label, so none can be held out; give a --valid_file",
        "{file}：每一组（{column}）都包含某个标签的全部行，无法留出验证集；请用 --valid_file 指定验证集",
    ),
}
