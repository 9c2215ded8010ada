"""What is said of a file whose rows cannot be told, format by format, in English and Chinese side by side."""

from toolkit.base.languages import Text

TABLES: dict[str, Text] = {  # text, separators, headers and columns
    "nul": Text("contains a NUL character", "含有 NUL 字符"),
    "unnamed_columns": Text("{name}, line {line}: two columns are called ''", "{name}，第 {line} 行：有两列都叫 ''"),
    "separators": Text(
        "{name}: its fields may be separated in {count} ways; {options} says which",
        "{name}：字段的分隔方式有 {count} 种可能；请用 {options} 指明",
    ),
    "backslashes": Text(
        (
            "{name}: backslashes may be text or stand before other signs only to quote them; --escape none or --escape "
            "backslash says which"
        ),
        ("{name}：反斜杠可能就是文本，也可能只是用来转义后面的符号；请用 --escape none 或 --escape backslash 指明"),
    ),
    "candidates": Text(
        "{name}: no column {wanted}, and {count} that may be the {role}: {options} says which",
        "{name}：没有 {wanted} 列，而可能是 {role} 的有 {count} 列：请用 {options} 指明",
    ),
    "unclear_columns": Text(
        (
            "{name}: there is no header, and which of its {width} columns are text and label is not clear; --columns "
            "names them in their order, such as --columns {example}"
        ),
        (
            "{name}：没有表头，而 {width} 列中哪一列是文本、哪一列是标签不清楚；"
            "请用 --columns 按顺序写出列名，例如 --columns {example}"
        ),
    ),
    "other_count": Text(
        "{name}: --columns names {count} columns, and the first row has {fields}",
        "{name}：--columns 写了 {count} 列，而第一行有 {fields}",
    ),
    "nameless_cells": Text(
        (
            "{name}: the {count} cells of a line, separated by {separator}, have no names: put a line with their names "
            "above them, separated alike"
        ),
        ("{name}：每行以 {separator} 分隔的 {count} 个单元没有列名：请在最前面加一行列名，用同样的方式分隔"),
    ),
}
JSON: dict[str, Text] = {
    "invalid": Text(
        "{name}, line {line}: not valid json ({reason})", "{name}，第 {line} 行：不是有效的 json（{reason}）"
    ),
    "too_deep": Text("nested too deeply", "嵌套太深"),
    "long_number": Text("a number with thousands of digits", "有一个数长达几千位"),
    "no_comma": Text("a comma or the closing bracket is missing", "缺少逗号或右方括号"),
    "goes_on": Text("text follows the array", "数组后面还有内容"),
    "nameless_lists": Text(
        "{name}: its rows are lists without names of columns; pandas names them with orient='records'",
        "{name}：每行是没有列名的列表；用 pandas 保存时加上 orient='records' 就有列名",
    ),
    "several_lists": Text(
        "{name}: holds several lists of objects ({keys}); put the one that is meant into its own file",
        "{name}：里面有几个对象列表（{keys}）；请把要用的那个单独存成文件",
    ),
    "other_width": Text(
        "{name}, row {number}: is no list of {width} values, as many as there are columns",
        "{name}，第 {number} 行：不是 {width} 个值的列表，而列有这么多",
    ),
}
JSON_REASONS: dict[str, str] = {  # in Chinese, by what Python's json says
    "Expecting ',' delimiter": "缺少逗号",
    "Expecting ':' delimiter": "缺少冒号",
    "Expecting property name enclosed in double quotes": "键要用双引号括起来",
    "Expecting value": "这里应有一个值",
    "Extra data": "后面还有多余的内容",
    "Illegal trailing comma before end of array": "最后一项后面多了逗号",
    "Illegal trailing comma before end of object": "最后一项后面多了逗号",
    "Invalid \\escape": "无效的反斜杠转义",
    "Invalid \\uXXXX escape": "无效的 \\uXXXX 转义",
    "Invalid control character at": "字符串里有控制字符",
    "Unterminated string starting at": "字符串没有结束",
}
TABLE_FILES: dict[str, Text] = {  # parquet, arrow and workbooks
    "package": Text(
        "{name}: {kind} files need the package {package} (pip install {package})",
        "{name}：读 {kind} 文件需要软件包 {package}（pip install {package}）",
    ),
    "no_parquet": Text("{name}: not a parquet file ({reason})", "{name}：不是 parquet 文件（{reason}）"),
    "no_arrow": Text("{name}: not an arrow file ({reason})", "{name}：不是 arrow 文件（{reason}）"),
    "no_workbook": Text("{name}: not an Excel workbook ({reason})", "{name}：不是 Excel 工作簿（{reason}）"),
    "other_columns": Text("{name}: the columns of its files differ", "{name}：其中各个文件的列不同"),
    "several_tables": Text(
        "{folder}: holds the tables {listed}; name one, such as {example}",
        "{folder}：里面有 {listed} 这些表；请指定其中一个，例如 {example}",
    ),
    "no_dataset": Text(
        "{folder}: state.json names no .arrow files, so this is no dataset of save_to_disk",
        "{folder}：state.json 没有列出 .arrow 文件，所以不是 save_to_disk 保存的数据集",
    ),
    "old_workbook": Text(
        "{name}: is a workbook of an old Excel (.xls); save it as .xlsx or .csv",
        "{name}：是旧版 Excel 的工作簿（.xls）；请另存为 .xlsx 或 .csv",
    ),
    "empty_workbook": Text("{name}: the workbook is empty", "{name}：工作簿是空的"),
    "too_many_rows": Text(
        "{name}, row {number}: no sheet has so many rows; the workbook is damaged",
        "{name}，第 {number} 行：工作表不可能有这么多行；工作簿已损坏",
    ),
}
DAMAGED_IN_CHINESE = "压缩的数据已损坏或不完整"  # whatever Python says of it in English
STREAMS: dict[str, Text] = {
    "pipe": Text(
        "{path}: a pipe or a device cannot be read twice; save it as a file first",
        "{path}：管道或设备不能读两遍；请先存成文件",
    ),
    "closed": Text("standard input is closed", "标准输入已关闭"),
    "notebook": Text(
        "standard input cannot be read here, as in a notebook; --input_file names a file",
        "这里不能读标准输入（例如在 notebook 里）；请用 --input_file 指定文件",
    ),
}
