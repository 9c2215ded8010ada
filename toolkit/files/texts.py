"""What is said of how a file was read, where that is not obvious, in English and Chinese side by side."""

from toolkit.base.languages import Text

REMARKS: dict[str, Text] = {
    "folder_of_labels": Text("one folder a label", "每个标签一个文件夹"),
    "folder_of_texts": Text("a folder of texts", "文本文件夹"),
    "without": Text("without {name}", "不含 {name}"),
    "gzip": Text("packed with gzip", "gzip 压缩"),
    "zip": Text("zip of {name}", "{name} 的 zip 压缩包"),
    "files": Text("{count:,} files", "{count:,} 个文件"),
    "first_header": Text("only the first has a header", "只有第一个有表头"),
    "without_header": Text("{count:,} of them without a header", "其中 {count:,} 个没有表头"),
    "no_header": Text("no header (columns {names})", "没有表头（列为 {names}）"),
    "read_as": Text("read as {encoding}", "按 {encoding} 读取"),
    "most_likely": Text("most likely {encoding}", "编码很可能是 {encoding}"),
    "column": Text("{role} from {column}", "{role}取自 {column} 列"),
    "text": Text("text", "文本"),
    "second_text": Text("the second text", "第二段文本"),
    "label": Text("label", "标签"),
    "sheet": Text("sheet {name}", "工作表 {name}"),
    "first_sheet": Text(
        "sheet {name}, the first of {count} with rows", "工作表 {name}（{count} 个有数据的表中的第一个）"
    ),
    "doccano": Text(
        "{column} from lists of one, as doccano writes them", "{column} 取自只有一项的列表（doccano 的写法）"
    ),
    "dataset": Text("a dataset that save_to_disk wrote", "save_to_disk 保存的数据集"),
    "classes": Text("{column}: names of its classes", "{column}：用类别的名称"),
    "content": Text("{format} by its content", "按内容是 {format}"),
    "workbook": Text("an Excel workbook", "Excel 工作簿"),
    "tabs": Text("tab-separated", "制表符分隔"),
    "separated": Text("{separator}-separated", "以 {separator} 分隔"),
    "bars_with_header": Text("{separator}-separated with a header", "以 {separator} 分隔，有表头"),
    "bars": Text("{separator}-separated ({columns})", "以 {separator} 分隔（{columns}）"),
    "other_way": Text(
        "{columns} (it may be the other way round: --columns label,text)",
        "{columns}（也可能相反：--columns label,text）",
    ),
    "comma": Text("comma", "逗号"),
    "semicolon": Text("semicolon", "分号"),
    "tab": Text("tab", "制表符"),
    "bar": Text("bar", "竖线"),
    "escaped_quotes": Text("a backslash before quotes", "引号前有反斜杠"),
    "skipped_blanks": Text("blanks before quotes", "引号前有空格"),
    "text_backslashes": Text("backslashes are text", "反斜杠是文本"),
    "text_quotes": Text("quotes are text", "引号是文本"),
    "json_list": Text("json, a list a column", "json，每列一个列表"),
    "pandas_split": Text("json of pandas (split)", "pandas 的 json（split）"),
    "pandas_index": Text("json of pandas (index)", "pandas 的 json（index）"),
    "pandas_columns": Text("json of pandas (columns)", "pandas 的 json（columns）"),
    "pandas_table": Text("json of pandas (table)", "pandas 的 json（table）"),
    "list_of_object": Text("the list {name} of a json object", "json 对象里的列表 {name}"),
}
STANDARD_INPUT = Text("standard input", "标准输入")
PROBLEMS: dict[str, Text] = {  # why a file cannot be had or read
    "at": Text("{file}, {place}: {reason}", "{file}，{place}：{reason}"),
    "empty": Text("{file}, line 1: the file is empty", "{file}，第 1 行：文件是空的"),
    "two_files": Text(
        "found both {first} and {second}; remove one, or name the file to use",
        "同时有 {first} 和 {second}；请去掉一个，或用选项指定文件",
    ),
    "no_file": Text(
        "there is no {stem}.csv (.tsv, .json, ...) in {folder}; {option} can name another file",
        "{folder} 里没有 {stem}.csv（.tsv、.json 等）；可用 {option} 指定别的文件",
    ),
    "no_match": Text(
        "{pattern}: no file is called so (* stands for any characters, ? for one)",
        "{pattern}：没有这样的文件（* 代表任意字符，? 代表一个字符）",
    ),
    "two_columns": Text("{place}: two columns are called {name}", "{place}：有两列都叫 {name}"),
    "unknown_encoding": Text(
        "--encoding {encoding}: unknown text encoding (try utf-8, gb18030 or utf-16)",
        "--encoding {encoding}：不认识这种编码（可试 utf-8、gb18030 或 utf-16）",
    ),
    "no_encoding": Text(
        "{file} is neither utf-8, GB18030 nor UTF-16 text; --encoding can name another encoding",
        "{file} 不是 utf-8、GB18030 或 UTF-16 文本；可用 --encoding 指定别的编码",
    ),
    "encoding_in_doubt": Text(
        "{file} is not utf-8 text; it may be {listed}", "{file} 不是 utf-8 文本；可能是 {listed}"
    ),
    "or": Text(" or ", " 或 "),
    "encoding_option": Text("{name}: --encoding {codec}", "{name}：--encoding {codec}"),
}
FOLDERS: dict[str, Text] = {  # of texts
    "no_text": Text(
        (
            "{folder}: the folder {name} has a name that is not utf-8 text, so it cannot be a label; rename it, or "
            "unpack the archive again, such as with unzip -O GBK"
        ),
        ("{folder}：文件夹 {name} 的名称不是 utf-8 文本，不能作标签；请改名，或重新解压，例如 unzip -O GBK"),
    ),
    "expected": Text(
        "one folder a label is expected, with a text in each file, such as pos/1.txt and neg/2.txt",
        "应是每个标签一个文件夹，每个文件一段文本，例如 pos/1.txt 和 neg/2.txt",
    ),
    "empty": Text("{folder}: the folder is empty; {expected}", "{folder}：文件夹是空的；{expected}"),
    "no_texts": Text(
        (
            "{folder}: is a folder without texts; name a file of it, such as {file}, or several by a pattern, such as "
            "{pattern}; else {expected}"
        ),
        (
            "{folder}：文件夹里没有文本；请指定其中的文件，例如 {file}，或用通配符指定几个，例如 {pattern}；"
            "否则{expected}"
        ),
    ),
}
ARCHIVES: dict[str, Text] = {  # zip files
    "opendocument": Text(
        "{path}: is an OpenDocument file; save it as .xlsx or .csv",
        "{path}：是 OpenDocument 文件；请另存为 .xlsx 或 .csv",
    ),
    "no_single_file": Text(
        "{path}: {content}; unpack it and name the one that is meant", "{path}：{content}；请解压并指定要用的那个"
    ),
    "no_file": Text("holds no file", "里面没有文件"),
    "files": Text("holds {count:,} files ({listed})", "里面有 {count:,} 个文件（{listed}）"),
    "protected": Text("{path}: is protected by a password; unpack it first", "{path}：有密码保护；请先解压"),
    "bomb": Text(
        "{name}: unpacks to {size:,.1f} GB, more than {growth} times its size; if that is right, unpack it first",
        "{name}：解压后有 {size:,.1f} GB，超过压缩大小的 {growth} 倍；如果没有错，请先解压",
    ),
}
SEVERAL_FILES: dict[str, Text] = {  # that are read as one
    "format": Text(
        "{path}: is {own}, but {first} is {format}; one input has one format",
        "{path}：是 {own}，而 {first} 是 {format}；一份输入只能是一种格式",
    ),
    "columns": Text(
        "{path}: its columns are {own}, but those of {first} are {columns}",
        "{path}：列是 {own}，而 {first} 的列是 {columns}",
    ),
    "types": Text("{path}: its columns have other types than those of {first}", "{path}：列的类型与 {first} 的不同"),
}
NAME_OF_OUTPUT = Text(
    "{path}: the name should end in {kinds} (these also with .gz), {others}",
    "{path}：文件名应以 {kinds}（也可以再加 .gz）、{others} 结尾",
)
NO_PAIRS = Text(
    "--pair_column: this model was trained on single texts; leave it out",
    "--pair_column：这个模型是用单条文本训练的；请去掉这个选项",
)
BAD_ROWS: dict[str, Text] = {  # why a row cannot be read
    "fields": Text("{fields} where the header has {columns}", "有 {fields}，而表头有 {columns} 个"),
    "never_closed": Text("a quoted field is never closed", "引号没有结束"),
    "after_quote": Text(
        'text follows a closing quote (a quote inside a quoted field is written "")',
        '引号结束后还有文字（引号里面的引号要写成 ""）',
    ),
    "no_separator": Text(
        "no {sign} between text and label, although the first line has one",
        "文本和标签之间没有{sign}，而第一行有",
    ),
    "cells": Text("{cells} cells where the first line has {columns}", "有 {cells} 个单元，而第一行有 {columns} 个"),
    "no_object": Text(
        'a json {type} where an object such as {{"text": ...}} belongs',
        '这里应是 {{"text": ...}} 这样的 json 对象，而不是 {type}',
    ),
    "no_json": Text("not valid json ({reason})", "不是有效的 json（{reason}）"),
}
