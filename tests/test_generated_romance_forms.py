"""Forms of French, Spanish and Italian against tables written by hand: noun phrases, adjectives, plurals, verbs."""

import re
from pathlib import Path

import pytest

from prefactor.generated.base import load_lexicon
from prefactor.generated.french import French
from prefactor.generated.italian import Italian
from prefactor.generated.romance import Romance
from prefactor.generated.romance_words import Agreement, Noun
from prefactor.generated.spanish import Spanish

FOLDER = Path(__file__).parents[1] / "data" / "corpus" / "lexicon"
CLASSES: tuple[type[Romance], ...] = (French, Spanish, Italian)
LANGUAGES = {language.code: language(load_lexicon(FOLDER, language.code)) for language in CLASSES}
CODES = tuple(LANGUAGES)
FR, ES, IT = (LANGUAGES[code] for code in CODES)
AGREEMENTS = [Agreement(feminine, plural) for plural in (False, True) for feminine in (False, True)]


def noun(language: Romance, word: str) -> Noun:
    return next(noun for nouns in language.nouns_of.values() for noun in nouns if noun.forms[0] == word)


def written(language: Romance, determiner: str, word: str, plural: bool = False, adjective: str | None = None) -> str:
    """A noun phrase as text."""
    known = {each.forms[0]: each for group in language.adjectives_of.values() for each in group}
    phrase = language.phrase(noun(language, word), determiner, plural, known[adjective] if adjective else None)
    return language.join(phrase.words)


PHRASES = [
    (FR, "definite", "hibou", False, None, "le hibou"),
    (FR, "definite", "haricot", True, "vert", "les haricots verts"),
    (FR, "indefinite", "ami", False, "vieux", "un vieil ami"),
    (FR, "indefinite", "hôtel", False, "beau", "un bel hôtel"),
    (FR, "definite", "autobus", False, "nouveau", "le nouvel autobus"),
    (FR, "indefinite", "voiture", True, "beau", "de belles voitures"),
    (FR, "indefinite", "étudiant", True, "jeune", "de jeunes étudiants"),
    (FR, "indefinite", "cheval", True, "noir", "des chevaux noirs"),
    (FR, "this", "oiseau", False, None, "cet oiseau"),
    (FR, "this", "oiseau", False, "petit", "ce petit oiseau"),
    (FR, "my", "amie", False, None, "mon amie"),
    (FR, "my", "amie", False, "jeune", "ma jeune amie"),
    (FR, "his", "écharpe", False, "bleu", "son écharpe bleue"),
    (FR, "some", "eau", False, None, "de l'eau"),
    (FR, "some", "pain", False, None, "du pain"),
    (FR, "none", "œuf", True, None, "d'œufs"),
    (ES, "definite", "agua", False, None, "el agua"),
    (ES, "definite", "águila", False, "blanco", "el águila blanca"),
    (ES, "indefinite", "águila", True, "rápido", "unas águilas rápidas"),
    (ES, "definite", "águila", False, "viejo", "la vieja águila"),
    (ES, "indefinite", "coche", False, "grande", "un gran coche"),
    (ES, "indefinite", "manzana", True, "grande", "unas grandes manzanas"),
    (ES, "definite", "pan", False, "bueno", "el buen pan"),
    (ES, "definite", "ratón", True, "gris", "los ratones grises"),
    (ES, "my", "flor", True, "azul", "mis flores azules"),
    (ES, "this", "canción", True, None, "estas canciones"),
    (IT, "definite", "zaino", False, None, "lo zaino"),
    (IT, "definite", "zaino", False, "bello", "il bello zaino"),
    (IT, "definite", "psicologo", True, None, "gli psicologi"),
    (IT, "indefinite", "gnomo", False, None, "uno gnomo"),
    (IT, "indefinite", "gnomo", True, None, "degli gnomi"),
    (IT, "indefinite", "studente", False, "giovane", "un giovane studente"),
    (IT, "indefinite", "amica", False, None, "un'amica"),
    (IT, "definite", "amico", True, "simpatico", "gli amici simpatici"),
    (IT, "definite", "amica", True, "simpatico", "le amiche simpatiche"),
    (IT, "definite", "ospedale", False, "bello", "il bell'ospedale"),
    (IT, "definite", "specchio", True, "bello", "i begli specchi"),
    (IT, "indefinite", "zuppa", False, "buono", "una buona zuppa"),
    (IT, "some", "zucchero", False, None, "dello zucchero"),
    (IT, "some", "acqua", False, None, "dell'acqua"),
    (IT, "my", "amico", False, None, "il mio amico"),
    (IT, "my kin", "zia", False, None, "mia zia"),
    (IT, "our", "scarpa", True, None, "le nostre scarpe"),
    (IT, "definite", "arancia", True, "fresco", "le arance fresche"),
]


@pytest.mark.parametrize(("language", "determiner", "word", "plural", "adjective", "expected"), PHRASES)
def test_noun_phrases(
    language: Romance, determiner: str, word: str, plural: bool, adjective: str | None, expected: str
) -> None:
    assert written(language, determiner, word, plural, adjective) == expected


ARTICLES = {
    "fr": (("le", "l'"), ("la", "l'"), ("les",), ("les",)),
    "es": (("el",), ("la", "el"), ("los",), ("las",)),
    "it": (("il", "lo", "l'"), ("la", "l'"), ("i", "gli"), ("le",)),
}
ENDINGS = {  # what an adjective may end in: m. sg., f. sg., m. pl., f. pl.
    "fr": (r"[a-zé]", r"e", r"[sx]", r"es"),
    "es": (r"[oelrnsz]|buen|gran", r"[aelrnsz]", r"os|es", r"as|es"),
    "it": (r"[oeu]|bel|bell'|buon", r"[aeu]|bell'", r"[iu]", r"[eiu]"),
}


@pytest.mark.parametrize("code", CODES)
def test_articles_and_adjectives_agree_with_every_noun(code: str) -> None:
    language = LANGUAGES[code]
    for kind, adjectives in language.adjectives_of.items():
        for each in language.nouns_of.get(kind, []):
            for adjective in adjectives:
                for plural in (False, True):
                    article, *rest = language.phrase(each, "definite", plural, adjective).words
                    rest.remove(each.forms[plural])
                    form = each.feminine + 2 * plural
                    assert article in ARTICLES[code][form]
                    assert re.fullmatch(rf".*(?:{ENDINGS[code][form]})", rest[0]), (each.forms[plural], rest)


ADJECTIVES: dict[Romance, list[str]] = {
    FR: [
        "vieux vieille vieux vieilles", "gentil gentille gentils gentilles", "cher chère chers chères",
        "ennuyeux ennuyeuse ennuyeux ennuyeuses", "gris grise gris grises", "inquiet inquiète inquiets inquiètes",
        "frais fraîche frais fraîches", "long longue longs longues", "bleu bleue bleus bleues",
        "fatigué fatiguée fatigués fatiguées", "blanc blanche blancs blanches", "rouge rouge rouges rouges",
    ],
    ES: [
        "joven joven jóvenes jóvenes", "azul azul azules azules", "pequeño pequeña pequeños pequeñas",
        "difícil difícil difíciles difíciles", "grande grande grandes grandes", "gris gris grises grises",
    ],
    IT: [
        "bianco bianca bianchi bianche", "lungo lunga lunghi lunghe", "vecchio vecchia vecchi vecchie",
        "grigio grigia grigi grigie", "simpatico simpatica simpatici simpatiche", "blu blu blu blu",
        "veloce veloce veloci veloci", "stanco stanca stanchi stanche", "ricco ricca ricchi ricche",
    ],
}  # fmt: skip


@pytest.mark.parametrize("language", ADJECTIVES)
def test_adjective_tables(language: Romance) -> None:
    known = {adjective.forms for group in language.adjectives_of.values() for adjective in group}
    assert {tuple(row.split()) for row in ADJECTIVES[language]} <= known


PLURALS: dict[Romance, list[str]] = {
    FR: [
        "cheval chevaux", "manteau manteaux", "souris souris", "œuf œufs", "hibou hiboux", "journal journaux",
        "sac sacs", "héros héros",
    ],
    ES: [
        "limón limones", "pez peces", "autobús autobuses", "paraguas paraguas", "rey reyes", "café cafés",
        "reloj relojes", "flor flores",
    ],
    IT: [
        "uomo uomini", "camicia camicie", "arancia arance", "medico medici", "fungo funghi", "mucca mucche",
        "orologio orologi", "camion camion", "problema problemi", "verità verità", "re re", "armadio armadi",
        "chiave chiavi",
    ],
}  # fmt: skip


@pytest.mark.parametrize("language", PLURALS)
def test_plurals(language: Romance) -> None:
    known = {each.forms[0]: each.forms[1] for nouns in language.nouns_of.values() for each in nouns}
    for pair in PLURALS[language]:
        singular, plural = pair.split()
        assert known.get(singular, language.plural(singular, False)) == plural


# Verbs.

PRESENT = {
    FR: [
        "manger mange mange mangeons mangent", "aller vais va allons vont", "boire bois boit buvons boivent",
        "acheter achète achète achetons achètent", "voir vois voit voyons voient",
        "vouloir veux veut voulons veulent", "ouvrir ouvre ouvre ouvrons ouvrent",
        "connaître connais connaît connaissons connaissent", "nager nage nage nageons nagent",
    ],
    ES: [
        "comer como come comemos comen", "dormir duermo duerme dormimos duermen", "ir voy va vamos van",
        "escribir escribo escribe escribimos escriben", "hablar hablo habla hablamos hablan",
        "querer quiero quiere queremos quieren", "conocer conozco conoce conocemos conocen",
        "decir digo dice decimos dicen", "deber debo debe debemos deben",
    ],
    IT: [
        "mangiare mangio mangia mangiamo mangiano", "cercare cerco cerca cerchiamo cercano",
        "capire capisco capisce capiamo capiscono", "andare vado va andiamo vanno",
        "leggere leggo legge leggiamo leggono", "dormire dormo dorme dormiamo dormono",
        "viaggiare viaggio viaggia viaggiamo viaggiano", "spiegare spiego spiega spieghiamo spiegano",
        "dare do dà diamo danno",
    ],
}  # fmt: skip
PAST = {
    FR: [
        "manger ai|mangé a|mangé avons|mangé ont|mangé", "aller suis|allé est|allé sommes|allés sont|allés",
        "écrire ai|écrit a|écrit avons|écrit ont|écrit", "partir suis|parti est|parti sommes|partis sont|partis",
    ],
    ES: [
        "buscar busqué buscó buscamos buscaron", "llegar llegué llegó llegamos llegaron",
        "leer leí leyó leímos leyeron", "ir fui fue fuimos fueron", "dormir dormí durmió dormimos durmieron",
        "dar di dio dimos dieron", "traer traje trajo trajimos trajeron",
        "conducir conduje condujo condujimos condujeron", "ver vi vio vimos vieron",
    ],
    IT: [
        "leggere ho|letto ha|letto abbiamo|letto hanno|letto",
        "andare sono|andato è|andato siamo|andati sono|andati",
        "scrivere ho|scritto ha|scritto abbiamo|scritto hanno|scritto",
        "vedere ho|visto ha|visto abbiamo|visto hanno|visto",
    ],
}  # fmt: skip
FUTURE = {
    FR: [
        "lire vais|lire va|lire allons|lire vont|lire",
    ],
    ES: [
        "leer voy|a|leer va|a|leer vamos|a|leer van|a|leer",
    ],
    IT: [
        "mangiare mangerò mangerà mangeremo mangeranno", "cercare cercherò cercherà cercheremo cercheranno",
        "bere berrò berrà berremo berranno", "andare andrò andrà andremo andranno",
        "partire partirò partirà partiremo partiranno", "leggere leggerò leggerà leggeremo leggeranno",
        "vedere vedrò vedrà vedremo vedranno", "dare darò darà daremo daranno",
    ],
}  # fmt: skip
PERSONS = [Agreement(False, plural, first) for plural in (False, True) for first in (True, False)]


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=CODES)
@pytest.mark.parametrize(("tense", "tables"), [("present", PRESENT), ("past", PAST), ("future", FUTURE)])
def test_conjugation_tables(language: Romance, tense: str, tables: dict[Romance, list[str]]) -> None:
    verbs = {verb.infinitive: verb for group in language.verbs_of.values() for verb in group}
    for row in tables[language]:
        infinitive, *expected = row.split()
        forms = [language.conjugate(verbs[infinitive], tense, person) for person in PERSONS]
        assert ["|".join([finite, *rest]) for finite, rest in forms] == expected


@pytest.mark.parametrize(("language", "endings"), [(FR, ("", "e", "s", "es")), (IT, ("o", "a", "i", "e"))])
def test_participles_agree_with_the_subject_after_be_only(language: Romance, endings: tuple[str, ...]) -> None:
    for group in language.verbs_of.values():
        for verb in group:
            stem = verb.past[0].removesuffix(endings[0])
            for agreement, ending in zip(AGREEMENTS, endings, strict=True):
                helper, participle = language.conjugate(verb, "past", agreement)
                auxiliary = "be" if verb.takes_be else "have"
                assert helper == language.auxiliary[auxiliary]["present"][agreement.person]
                assert participle == [stem + ending if verb.takes_be else verb.past[0]]


def test_french_participle_agrees_with_the_object_before_it() -> None:
    verbs = {verb.infinitive: verb for verb in FR.verbs_of["transitive"]}
    assert FR.relative(verbs["écrire"], "past", PERSONS[1], Agreement(True, True)) == ("a", ["écrites"])
    assert FR.relative(verbs["comprendre"], "past", PERSONS[3], Agreement(False, True)) == ("ont", ["compris"])
    assert FR.relative(verbs["lire"], "present", PERSONS[1], Agreement(True)) == ("lit", [])
