"""Save a small BERT with random weights whose vocabulary is the characters of some files, for trying Chinese text out.

    python benchmarks/small_chinese_bert.py MODEL_DIR FILE [FILE ...]

It knows every character and nothing else: what it learns, it learns from the training rows.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: E402
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast  # noqa: E402

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def wordpiece_tokenizer(pieces: list[str], positions: int) -> PreTrainedTokenizerFast:
    """Return an uncased BERT tokenizer whose vocabulary is the special tokens and these pieces, in their order."""
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys([*SPECIAL, *pieces]))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=positions, **names)


def build(folder: Path, text: str, layers: int, hidden: int, positions: int = 512) -> None:
    """Write the model and its tokenizer for the characters of `text` into `folder`."""
    characters = sorted({character for character in text.lower() if not character.isspace()})
    pieces = [*characters, *(f"##{character}" for character in characters if character.isascii())]
    tokenizer = wordpiece_tokenizer(pieces, positions)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=max(1, hidden // 32),
        intermediate_size=4 * hidden,
        max_position_embeddings=positions,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    print(f"{folder}: {layers} layers of {hidden}, {len(tokenizer):,} tokens")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=128)
    args = parser.parse_args()
    build(args.folder, "".join(path.read_text(encoding="utf-8") for path in args.files), args.layers, args.hidden)
