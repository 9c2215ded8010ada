"""Small random classifiers of the families of transformers that classify text."""

import torch
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForSequenceClassification

LIKE_BERT = {
    "vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "max_position_embeddings": 40, "pad_token_id": 0,
}  # fmt: skip
LIKE_ROBERTA = LIKE_BERT | {"pad_token_id": 1}
LIKE_BART = {
    "vocab_size": 100, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 40,
}  # fmt: skip
LIKE_GPT = {"vocab_size": 100, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 40, "pad_token_id": 0}
LIKE_XLM = {"vocab_size": 100, "emb_dim": 32, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 40, "n_langs": 1}
LIKE_XLNET = {"vocab_size": 100, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64, "pad_token_id": 0}
SIZES = {
    "albert": LIKE_BERT | {"embedding_size": 16},
    "bart": LIKE_BART,
    "bert": LIKE_BERT,
    "big_bird": LIKE_BERT | {"attention_type": "original_full"},
    "camembert": LIKE_ROBERTA,
    "convbert": LIKE_BERT | {"embedding_size": 32},
    "data2vec-text": LIKE_ROBERTA,
    "deberta": LIKE_BERT,
    "deberta-v2": LIKE_BERT,
    "distilbert": {"vocab_size": 100, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64,
                   "max_position_embeddings": 40},
    "electra": LIKE_BERT | {"embedding_size": 16},
    "ernie": LIKE_BERT,
    "flaubert": LIKE_XLM,
    "fnet": LIKE_BERT,
    "gpt2": LIKE_GPT | {"bos_token_id": 3, "eos_token_id": 3},
    "layoutlm": LIKE_BERT,
    "longformer": LIKE_ROBERTA | {"attention_window": [8, 8]},
    "mbart": LIKE_BART,
    "megatron-bert": LIKE_BERT,
    "modernbert": LIKE_BERT | {"bos_token_id": 3, "eos_token_id": 4, "cls_token_id": 3, "sep_token_id": 4},
    "mpnet": LIKE_ROBERTA,
    "nystromformer": LIKE_BERT,
    "openai-gpt": LIKE_GPT,
    "rembert": LIKE_BERT | {"input_embedding_size": 16, "output_embedding_size": 16},
    "roberta": LIKE_ROBERTA,
    "roberta-prelayernorm": LIKE_ROBERTA,
    "roformer": LIKE_BERT,
    "squeezebert": LIKE_BERT | {"embedding_size": 32},
    "umt5": {"vocab_size": 100, "d_model": 32, "num_layers": 2, "num_heads": 4, "d_kv": 8, "d_ff": 64,
             "decoder_start_token_id": 0},
    "xlm": LIKE_XLM,
    "xlm-roberta": LIKE_ROBERTA,
    "xlnet": LIKE_XLNET,
}  # fmt: skip
FAMILIES = sorted(set(SIZES) & set(CONFIG_MAPPING))  # of them those that this version has


def tiny_config(family: str, **changes) -> AutoConfig:
    """Return the configuration of a small classifier of three labels."""
    return AutoConfig.for_model(family, **(SIZES[family] | {"num_labels": 3} | changes))


def tiny_classifier(config: AutoConfig) -> torch.nn.Module:
    """Return a random classifier whose logits are far from each other."""
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config)
    for weight in model.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=0.2)
    return model


def text_ids(config: AutoConfig, length: int) -> torch.Tensor:
    """Return the ids (1, L) of a text as a tokenizer of the family would have it."""
    ids = torch.randint(10, 90, (1, length), generator=torch.Generator().manual_seed(1))
    if config.is_encoder_decoder:
        ids[0, -1] = config.eos_token_id
    return ids
