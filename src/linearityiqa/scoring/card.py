"""Model card for the Hugging Face Hub."""

from linearityiqa.record import ModelRecord, describe_transform

_CARD = """---
library_name: linearityiqa
tags:
- image-quality-assessment
- no-reference
---

# {title}

Predicts the technical quality of a photograph without a reference image: {model}. Scores lie on {scale}. Images are
scored {images}.

{figures}
## Use

```
pip install 'linearityiqa[hub,train]'
linearityiqa score --model hf://{repo} photo.jpg
```

```python
from linearityiqa import Scorer

Scorer.from_pretrained("{repo}").score("photo.jpg")
```

## Limits

The scores hold for photographs like those of {database}. To be written by the owner: what the model is not for, where
it fails, and under which licence it and its training data are.
"""


def model_card(record: ModelRecord, repo: str) -> str:
    """Model card (Markdown, with the hub's metadata at its head); its owner adds limits and a licence.

    Args:
        record: what the model file says.
        repo: ``OWNER/NAME`` that the model is published under.
    """
    labels = f", {record.labels}" if record.labels else ""
    rows = "".join(f"| {_plain(name)} | {value:.4g} |\n" for name, value in record.figures.items())
    return _CARD.format(
        title=repo.rpartition("/")[2],
        model=f"{record.config.model.architecture}, trained on {_plain(record.database)}{labels}",
        scale=_plain(str(record.scale)) if record.scale else "no known scale",
        images=describe_transform(record.config.transform),
        figures=f"| measured | value |\n|---|---|\n{rows}\n" if rows else "",
        repo=repo,
        database=_plain(record.database),
    )


def _plain(text: str) -> str:
    """Make a text safe: it breaks no table and starts no HTML."""
    return " ".join(text.replace("|", "/").replace("<", "(").replace(">", ")").split())
