"""The twelve items of the paper, by name, in its order."""

from linearityiqa.reproduce.item import Item
from linearityiqa.reproduce.items.agreement import FIG6, FIG7, TAB1, TAB2, TABA1, TABA2, TTEST
from linearityiqa.reproduce.items.common import FIGA1, FIGA2
from linearityiqa.reproduce.items.curves import FIG1, FIG4, FIG5

ITEMS: dict[str, Item] = {
    item.name: item for item in (FIG1, FIG4, FIG5, FIG6, FIG7, TAB1, TAB2, FIGA1, FIGA2, TABA1, TABA2, TTEST)
}

__all__ = ["ITEMS"]
