"""The twelve items of the paper, by name, in its order."""

from linearityiqa.reproduce.item import Item
from linearityiqa.reproduce.items.bhat import FIGA1, FIGA2
from linearityiqa.reproduce.items.fig1 import FIG1
from linearityiqa.reproduce.items.fig4 import FIG4
from linearityiqa.reproduce.items.fig5 import FIG5
from linearityiqa.reproduce.items.fig6 import FIG6
from linearityiqa.reproduce.items.fig7 import FIG7
from linearityiqa.reproduce.items.tab1 import TAB1
from linearityiqa.reproduce.items.tab2 import TAB2
from linearityiqa.reproduce.items.taba1 import TABA1
from linearityiqa.reproduce.items.taba2 import TABA2
from linearityiqa.reproduce.items.ttest import TTEST

ITEMS: dict[str, Item] = {
    item.name: item for item in (FIG1, FIG4, FIG5, FIG6, FIG7, TAB1, TAB2, FIGA1, FIGA2, TABA1, TABA2, TTEST)
}

__all__ = ["ITEMS"]
