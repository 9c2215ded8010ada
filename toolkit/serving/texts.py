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
        "{file}: {size:,.1f} MB; of {rows} every one keeps its label, and no probability differs by more than "
        "{difference:.1e}",
        "{file}：{size:,.1f} MB；{rows}的标签全部不变，概率最多相差 {difference:.1e}",
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
        "its logits are divided by the temperature {temperature:.3g}, so that a softmax gives calibrated probabilities "
        "(--no-calibrated leaves them as they are)",
        "它的 logits 已除以温度 {temperature:.3g}，直接取 softmax 就是校准过的概率（--no-calibrated 保持原样）",
    ),
    "decides": Text(
        "not in the file: {rule}; other programs predict the most probable label",
        "文件里没有包含：{rule}；其他程序会直接取概率最高的标签",
    ),
    "threshold": Text("the threshold {threshold:g} of {label!r}", "标签 {label!r} 的阈值 {threshold:g}"),
    "bias": Text("the bias of each label", "各标签的偏置"),
    "equal_lengths": Text(
        "the rows of a batch must have one length: padding changes what this model answers",
        "一批里各行的长度必须相同：填充会改变这个模型的结果",
    ),
}
