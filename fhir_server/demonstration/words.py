"""The words that synthetic people and places are made of, the commonest first.

Trusts, towns and streets are invented. Telephone numbers come from the ranges that Ofcom keeps for drama.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TRUSTS = (
    "Northmoor",
    "Eastvale",
    "Southmere",
    "Westholm",
    "Highfell",
    "Lowdale",
    "Kingsreach",
    "Ashbourne Vale",
    "Brackenridge",
    "Calderwick",
    "Dunmarsh",
    "Elmstow",
    "Fernleigh",
    "Greyhaven",
    "Hollowbrook",
    "Ironbridge Moor",
    "Juniper Coast",
    "Larkhampton",
    "Millstone",
    "Nethercombe",
)

FAMILIES = _words(
    """
    Smith Jones Taylor Brown Williams Patel Wilson Johnson Davies Khan Robinson Wright Thompson Evans Walker
    White Roberts Green Hall Wood Ahmed Jackson Clarke Hussain Harrison Ali Scott Cooper King Ward
    Singh Turner Baker Hughes Edwards Hill Moore Begum Martin Cook Allen Kelly Murphy Bailey Kaur
    Parker Bennett Young Shaw Collins Shah Richardson Morgan Cox Marshall Bell Simpson Webb Mitchell Adams
    Okafor Hunt Chapman Miller Nowak Stevens Price Mohammed Palmer Knight Barnes Wang Fletcher Mason Fox
    Adeyemi Holmes Gill Lloyd Kowalski Chen O'Brien Dixon Grant Hossain Pearson Fisher Reid Osei Francis
    Mensah Gibson Iqbal Byrne Popescu Nguyen Lewandowski Chukwu Wójcik Ferreira Sørensen Ó'Súilleabháin Núñez
    """
)

GIVEN_FEMALE = _words(
    """
    Olivia Margaret Amelia Susan Sarah Emily Fatima Grace Patricia Aisha Jean Chloe Mary Priya Charlotte
    Dorothy Zainab Ruth Ella Joan Lucy Maryam Hannah Sheila Isla Ngozi Eleanor Maureen Freya Simran
    Barbara Alice Yasmin Irene Daisy Agnieszka Sylvia Phoebe Mei Beatrice Siân Zoë Abena Deepa Harriet
    """
)

GIVEN_MALE = _words(
    """
    David Mohammed Oliver John George Peter Noah James Arthur Ali Michael Leo Robert Harry William
    Thomas Raj Alan Jack Yusuf Derek Samuel Kwame Edward Theo Brian Arjun Henry Kenneth Ibrahim
    Lucas Stanley Daniel Omar Roy Piotr Jacob Ronald Hassan Chidi Frank Wei Rhys José Finlay
    """
)

TOWNS = ("Market Alder", "Stonecross", "Millbrook", "Thornby", "Lower Wick", "Harbour End")

STREETS = _words(
    """
    Larch Alder Station Church Victoria Meadow Canal Orchard Priory Quarry Windmill Foundry Rowan Chapel
    """
)

ROADS = ("Road", "Street", "Close", "Lane", "Avenue", "Terrace")

WARDS = ("Hawthorn", "Juniper", "Kestrel", "Lavender", "Maple", "Critical Care")

CARE_HOMES = ("Oakview", "The Willows")
