"""What is said of an exported model, in English and Chinese side by side."""

from toolkit.base.languages import Text

EXPORT: dict[str, Text] = {
    "packages": Text(
        "--export onnx needs the packages of the group onnx, of which {missing} is missing: pdm sync -G onnx, or pip "
        "install {packages}",
        "--export onnx 需要 onnx 这一组软件包，缺少 {missing}：pdm sync -G onnx，或 pip install {packages}",
    ),
    "old_torch": Text(
        "--export onnx needs torch 2.9 or newer, and this is {version}; the model directory can be taken to a machine "
        "that has it",
        "--export onnx 需要 torch 2.9 或更新的版本，而这里是 {version}；可以把模型目录拷到装有新版本的机器上",
    ),
    "not_exportable": Text(
        "--export onnx: a {model} cannot be written as ONNX ({reason})",
        "--export onnx：{model} 不能写成 ONNX（{reason}）",
    ),
    "no_rows": Text(
        "--export onnx compares what it writes with the model on some rows, and the training file is gone or has "
        "changed: name a file with --input_file",
        "--export onnx 会用一些行把写出的模型和原模型对比，而训练文件已不在或已改动：请用 --input_file 指定一个文件",
    ),
    "differs": Text(
        "--export onnx: of {rows}, the exported model gives probabilities that differ by up to {difference:.1e}, more "
        "than {most:.0e}; nothing is kept",
        "--export onnx：在 {rows}上，导出模型的概率最多相差 {difference:.1e}，超过 {most:.0e}；不保留任何文件",
    ),
    "written": Text(
        "{file}: {size:,.1f} MB; {same:,} of {rows} keep the label, and no probability differs by more than "
        "{difference:.1e}",
        "{file}：{size:,.1f} MB；{rows}中有 {same:,} 行标签不变，概率最多相差 {difference:.1e}",
    ),
    "quantized": Text(
        "{file}: {size:,.1f} MB, in int8; {same:,} of {rows} keep the label",
        "{file}：{size:,.1f} MB，int8；{rows}中有 {same:,} 行标签不变",
    ),
    "not_quantized": Text(
        "in int8 only {same:,} of {rows} would keep the label, fewer than --min_agreement {least:g} asks for: {file} "
        "is not written",
        "用 int8 时{rows}中只有 {same:,} 行标签不变，达不到 --min_agreement {least:g} 的要求：不写 {file}",
    ),
    "tempered": Text(
        "its logits are divided by the temperature {temperature:.3g}, so that a {function} gives calibrated "
        "probabilities (--no-calibrated leaves them as they are)",
        "它的 logits 已除以温度 {temperature:.3g}，直接取 {function} 就是校准过的概率（--no-calibrated 保持原样）",
    ),
    "decides": Text(
        "not in the file: {rule}; other programs predict the most probable label",
        "文件里没有包含：{rule}；其他程序会直接取概率最高的标签",
    ),
    "threshold": Text("the threshold {threshold:g} of {label!r}", "标签 {label!r} 的阈值 {threshold:g}"),
    "no_tokenizer": Text(
        "infer.py goes on predicting with torch: no tokenizer.json gives the tokens of this model by itself",
        "infer.py 仍用 torch 预测：没有单独就能给出这个模型的词元的 tokenizer.json",
    ),
    "thresholds": Text(
        "not in the file: the thresholds of the labels, which run.json has; other programs predict from 0.5 on",
        "文件里没有包含各标签的阈值，它们在 run.json 里；其他程序以 0.5 为界",
    ),
    "bias": Text("the bias of each label", "各标签的偏置"),
    "equal_lengths": Text(
        "the rows of a batch must have one length: padding changes what this model answers",
        "一批里各行的长度必须相同：填充会改变这个模型的结果",
    ),
}
ENGINE: dict[str, Text] = {  # why an exported model does not predict
    "onnx": Text("--engine onnx: {reason}", "--engine onnx：{reason}"),
    "no_torch": Text("torch is not installed, and without it: {reason}", "没有安装 torch，而不用它时：{reason}"),
    "processes": Text("it works in one process alone", "它只能用一个进程"),
    "other_option": Text(
        "it computes on the CPU in fp32 and does not support {option}; leave that out, or use --engine torch",
        "它在 CPU 上用 fp32 计算，不支持 {option}；请去掉它，或用 --engine torch",
    ),
    "package": Text(
        "the package {package} is missing: pip install -r requirements-infer.txt",
        "缺少软件包 {package}：pip install -r requirements-infer.txt",
    ),
    "not_exported": Text(
        "{folder} has no exported model; where torch is, python infer.py --model_dir {folder} --export onnx writes it",
        "{folder} 里没有导出的模型；请在有 torch 的机器上运行 python infer.py --model_dir {folder} --export onnx",
    ),
    "other_weights": Text(
        "{exported} was written from other weights than those in {folder}, or by an older version; write it again with "
        "--export onnx",
        "{exported} 不是由 {folder} 现在的权重写出的，或出自旧版本；请用 --export onnx 重新导出",
    ),
    "no_tokenizer": Text(
        "{folder} has no tokenizer.json that gives the tokens of its model by itself; use --engine torch",
        "{folder} 里没有单独就能分词的 tokenizer.json；请用 --engine torch",
    ),
    "other_tokenizer": Text(
        "{file} is not what it was when the model was exported; write {folder} again with --export onnx",
        "{file} 与导出模型时不同；请用 --export onnx 重新导出 {folder}",
    ),
}
