"""The 1,000 ImageNet class names: unique, and short enough for a small screen.

The name of a class is its first WordNet synonym. `SYNONYM` selects a more readable one for some classes. `CLARIFIED`
adds a word in brackets to names that are ambiguous or belong to two classes.
"""

import json

CLASSES = 1000

# class index -> another synonym of the class
SYNONYM = {
    15: "American robin", 20: "dipper", 67: "diamondback rattlesnake", 154: "Pekingese", 160: "Afghan hound",
    161: "basset hound", 191: "Airedale terrier", 192: "cairn terrier", 194: "Dandie Dinmont terrier",
    195: "Boston terrier", 199: "Scottish terrier", 204: "Lhasa apso", 216: "clumber spaniel", 248: "husky",
    260: "chow chow", 263: "Pembroke Welsh corgi", 264: "Cardigan Welsh corgi", 269: "grey wolf", 281: "tabby cat",
    296: "polar bear", 322: "ringlet butterfly", 323: "monarch butterfly", 326: "lycaenid butterfly",
    330: "cottontail rabbit", 332: "Angora rabbit", 341: "pig", 370: "guenon monkey", 375: "colobus monkey",
    380: "titi monkey", 383: "ring-tailed lemur", 387: "red panda", 391: "coho salmon", 397: "pufferfish",
    408: "amphibious vehicle", 412: "trash can", 428: "wheelbarrow", 436: "station wagon", 437: "lighthouse",
    446: "ring-binder", 458: "plaque", 468: "taxi", 469: "cauldron", 487: "mobile phone", 553: "filing cabinet",
    566: "French horn", 589: "hair dryer", 592: "hard disk", 608: "blue jean", 610: "T-shirt", 612: "rickshaw",
    634: "sawmill", 673: "computer mouse", 681: "notebook computer", 687: "pipe organ", 714: "plectrum",
    717: "pickup truck", 724: "pirate ship", 726: "carpenter's plane", 738: "flowerpot", 746: "hockey puck",
    751: "racing car", 769: "ruler", 776: "saxophone", 800: "one-armed bandit", 847: "army tank", 850: "teddy bear",
    881: "upright piano", 882: "vacuum cleaner", 897: "washing machine", 916: "website", 934: "hot dog",
    981: "baseball player", 982: "bridegroom", 989: "rose hip", 990: "horse chestnut", 999: "toilet paper",
}  # fmt: skip

# class index -> meaning of the name, by WordNet's gloss
CLARIFIED = {
    7: "rooster", 21: "bird", 87: "parrot", 134: "bird", 157: "dog", 164: "hound", 168: "hound", 242: "dog",
    312: "insect", 321: "butterfly", 339: "horse", 392: "fish", 492: "box", 517: "machine", 630: "shoe",
    638: "tights", 639: "tank suit", 680: "feeding bottle", 824: "shawl", 836: "lens", 908: "aircraft",
    948: "apple", 998: "cereal",
}  # fmt: skip


def short_name(index: int, synonyms: list[str]) -> str:
    name = SYNONYM.get(index, synonyms[0])
    if name not in synonyms:
        raise ValueError(f"class {index}: {name} is not one of {synonyms}")
    return f"{name} ({CLARIFIED[index]})" if index in CLARIFIED else name


def labels(names_json: bytes, wordnet_ids_json: bytes) -> str:
    """Returns one name a line. The line number, from 0, is the class index: the rank of the WordNet id."""
    names, wordnet_ids = json.loads(names_json), json.loads(wordnet_ids_json)
    ids = [wordnet_ids[str(index)] for index in range(CLASSES)]
    if ids != sorted(ids):
        raise ValueError("the classes are not sorted by WordNet id, the order of the weights")
    short = [short_name(index, names[str(index)].split(", ")) for index in range(CLASSES)]
    duplicates = {name for name in short if sum(name.lower() == other.lower() for other in short) > 1}
    if duplicates:
        raise ValueError(f"class names are not unique: {sorted(duplicates)}")
    return "".join(f"{name}\n" for name in short)
