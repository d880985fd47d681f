"""The verbs of the demo grammar: principal parts in both languages and the frame of what goes with them."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from nmt.data.demo import german
from nmt.data.demo.english import EnglishVerb, regular
from nmt.data.demo.german import GermanVerb

# german parts | english parts | subject classes : frame | extras
#   german: infinitive, with "+" after a separable prefix, then any of
#     <stem: changed stem of du and er · =strong participle · sein: the auxiliary · ~preterite, if it tells the past
#   english: base[+particle] [past participle, where irregular]
#   frame: acc=classes · acc/for=classes (English has a preposition) · dat=… · auf+acc/for=classes (prepositional)
#     · goal (zum Bahnhof) · goal:surface (auf den Tisch) · place · place:surface
#   extras: the adjuncts it takes: place, company, and a kind of manner
_TABLE: Final = """
kaufen | buy bought bought | person : acc=thing,food,clothing,vehicle,furniture,plant | place company
verkaufen | sell sold sold | person : acc=thing,clothing,vehicle,furniture,device | place
suchen | look | person : acc/for=thing,clothing,person,animal | place company
finden =gefunden | find found found | person : acc=thing,clothing,money,animal,found | place
verlieren =verloren | lose lost lost | person : acc=thing,clothing,money | place
nehmen <nimm =genommen | take took taken | person : acc=thing,money,food | act
tragen <träg =getragen | wear wore worn | person : acc=clothing | place
tragen <träg =getragen | carry | person : acc=container | act
waschen <wäsch =gewaschen | wash | person : acc=clothing,vehicle | company
reparieren | repair | person : acc=device,vehicle,furniture | place company act
brauchen ~brauchte | need | person : acc=thing,money,clothing,furniture |
sehen <sieh =gesehen | see saw seen | person : acc=person,animal,show,building | place
hören | hear heard heard | person : acc=person,song,animal | place
kennen =gekannt ~kannte | know knew known | person : acc=person,building,song,abstract |
besuchen | visit | person : acc=person,building | company
lieben ~liebte | love | person : acc=person,animal,song |
fragen | ask | person : acc=person |
treffen <triff =getroffen | meet met met | person : acc=person | place
grüßen | greet | person : acc=person | place
ein+laden <läd =geladen | invite | person : acc=person |
an+rufen =gerufen | call | person : acc=person |
ab+holen | pick+up | person : acc=person,thing | company
auf+wecken | wake+up woke woken | person : acc=person,animal |
essen <iss =gegessen | eat ate eaten | person : acc=food | place
trinken =getrunken | drink drank drunk | person : acc=drink | place company
kochen | cook | person : acc=dish | company skill
backen =gebacken | bake | person : acc=baked | company skill
bestellen | order | person : acc=food,drink,thing | place
probieren | taste | person : acc=food,drink |
bezahlen | pay paid paid | person : acc/for=food,drink,clothing,thing | place
lesen <lies =gelesen | read read read | person : acc=text | place company sound
schreiben =geschrieben | write wrote written | person : acc=text | place company
übersetzen | translate | person : acc=text | act
unterschreiben =unterschrieben | sign | person : acc=text | act
vor+lesen <lies =gelesen | read+out read read | person : acc=text | sound
auf+machen | open | person : acc=opening,container,device | act
zu+machen | close | person : acc=opening,container | act
ein+schalten | turn+on | person : acc=device | act
aus+schalten | turn+off | person : acc=device | act
an+ziehen =gezogen | put+on put put | person : acc=clothing | act
aus+ziehen =gezogen | take+off took taken | person : acc=clothing | act
mit+bringen =gebracht | bring+along brought brought | person : acc=thing,food,drink |
weg+werfen <wirf =geworfen | throw+away threw thrown | person : acc=thing,food,clothing | act
auf+räumen | tidy+up | person : acc=room | company
vor+bereiten | prepare | person : acc=event | company act
aus+wählen | choose chose chosen | person : acc=thing,clothing,show,song | act
an+schauen | look | person : acc/at=person,animal,thing,show | act
putzen | clean | person : acc=room,opening,clothing | company
verstehen =verstanden | understand understood understood | person : acc=abstract,person,text |
erklären | explain | person : dat/to=person acc=explained | act
beantworten | answer | person : acc=asked | act
vergessen <vergiss =vergessen | forget forgot forgotten | person : acc=abstract,thing,clothing |
lösen | solve | person : acc=riddle | company
wiederholen | repeat | person : acc=repeated,song | act
lernen | learn | person : acc=learnt | place company
gewinnen =gewonnen | win won won | person : acc=won |
bauen | build built built | person : acc=building,furniture,vehicle | company
malen | paint | person : acc=animal,building,person,plant | skill
verlassen <verläss =verlassen | leave left left | person : acc=building,room |
bewundern | admire | person : acc=person,animal,plant,building |
fotografieren | photograph | person : acc=person,animal,plant,building | place
beobachten | watch | person : acc=person,animal | place act
füttern | feed fed fed | person : acc=animal | place company
streicheln | stroke | person : acc=animal | act
fangen <fäng =gefangen | catch caught caught | person,animal : acc=animal |
jagen | chase | animal : acc=animal | place
singen =gesungen | sing sang sung | person : acc=song | place company sound
spielen | play | person : acc=instrument | place company skill
feiern | celebrate | person : acc=celebrated | place company
pflanzen | plant | person : acc=plant | company
gießen =gegossen | water | person : acc=plant | company
zerbrechen <zerbrich =zerbrochen | break broke broken | person : acc=thing |
stehlen <stiehl =gestohlen | steal stole stolen | person : acc=thing,vehicle,money | place act
verstecken | hide hid hidden | person : acc=thing,money | act
zählen | count | person : acc=money,animal | act
packen | pack | person : acc=container | company
haben ~hatte | have had had | person : acc=thing,animal,vehicle,clothing,money,had |
mögen =gemocht ~mochte | like | person : acc=food,drink,animal,person,song,show |
helfen <hilf =geholfen | help | person : dat=person | place
danken | thank | person : dat=person |
folgen sein | follow | person,animal : dat=person,animal | act
zu+hören | listen | person : dat/to=person | act
gratulieren | congratulate | person : dat=person |
vertrauen | trust | person : dat=person |
gehören ~gehörte | belong | thing,vehicle,animal,building : dat/to=person |
geben <gib =gegeben | give gave given | person : dat/to=person acc=thing,food,money,text |
zeigen | show showed shown | person : dat/to=person acc=thing,text,building |
bringen =gebracht | bring brought brought | person : dat/to=person acc=thing,food,drink,clothing |
schicken | send sent sent | person : dat/to=person acc=text,thing,money |
leihen =geliehen | lend lent lent | person : dat/to=person acc=money,thing,vehicle,clothing |
erzählen | tell told told | person : dat/to=person acc=told |
empfehlen <empfiehl =empfohlen | recommend | person : dat/to=person acc=show,text,food |
zurück+geben <gib =gegeben | return | person : dat/to=person acc=thing,money |
an+bieten =geboten | offer | person : dat/to=person acc=food,drink,money |
warten | wait | person : auf+acc/for=person,vehicle | place company
sprechen <sprich =gesprochen | speak spoke spoken | person : mit+dat/with=person | place sound
denken =gedacht | think thought thought | person : an+acc/of=person,abstract,event |
lachen | laugh | person : über+acc/at=person,animal,abstract | sound
träumen | dream dreamed dreamed | person : von+dat/of=person,animal,event |
spielen | play | person,animal : mit+dat/with=animal,thing | place
teil+nehmen <nimm =genommen | take+part took taken | person : an+dat/in=event |
auf+passen | watch+out | person : auf+acc/for=animal,vehicle |
ein+steigen =gestiegen sein | get got got | person : in+acc/into=vehicle | act
gehen =gegangen sein | go went gone | person : goal | company move
kommen =gekommen sein | come came come | person : goal | company
laufen <läuf =gelaufen sein | run ran run | person,animal : goal | move
fahren <fähr =gefahren sein | drive drove driven | person : goal | company move
reisen sein | travel | person : goal:city | company
fliegen =geflogen sein | fly flew flown | person : goal:city | company
zurück+kehren sein | return | person : goal | company
weg+laufen <läuf =gelaufen sein | run+away ran run | animal,person : | act
legen | put put put | person : acc=thing,clothing goal:surface | act
stellen | place | person : acc=container,device goal:surface | act
liegen =gelegen ~lag | lie lay lain | thing,animal : place:surface |
stehen =gestanden ~stand | stand stood stood | furniture,container,vehicle,device : place:any |
sitzen =gesessen ~saß | sit sat sat | person,animal : place:surface |
wohnen | live | person : place:home | company
bleiben =geblieben sein | stay | person : place:any | company
an+kommen =gekommen sein | arrive | person,vehicle : place:any |
arbeiten | work | person : | place company skill
schlafen <schläf =geschlafen | sleep slept slept | person,animal : | place skill
tanzen | dance | person : | place company skill
singen =gesungen | sing sang sung | person : | place company skill
lachen | laugh | person : | sound
weinen | cry | person : | sound
lächeln | smile | person : |
schwimmen =geschwommen sein | swim swam swum | person,animal : | place company skill
ein+kaufen | shop shopped shopped | person : | place company
auf+stehen =gestanden sein | get+up got got | person : | act
ein+schlafen <schläf =geschlafen sein | fall+asleep fell fallen | person,animal : | place
fern+sehen <sieh =gesehen | watch+television | person : | company
bellen | bark | dog : | sound
blühen | bloom | plant : | place
wachsen <wächs =gewachsen sein | grow grew grown | plant : | place
an+fangen <fäng =gefangen | begin began begun | event,show : |
auf+hören | end | event,show : |
statt+finden =gefunden | take+place took taken | event : | place
ab+fahren <fähr =gefahren sein | leave left left | vehicle : |
"""


class Object(NamedTuple):
    """An object by its case: with its German preposition, or none, and its English one, or none."""

    case: str
    german_preposition: str
    english_preposition: str
    classes: tuple[str, ...]


class Verb(NamedTuple):
    """A verb in both languages with one frame; the same German verb may have several."""

    german: GermanVerb
    english: EnglishVerb
    subjects: tuple[str, ...]
    objects: tuple[Object, ...]
    goal: str  # "" for none, else which: any, city, surface
    place: str  # "" for none, else which: any, home, surface
    adjuncts: frozenset[str]

    @property
    def name(self) -> str:
        """What withheld combinations call it; frames of the same verb share the name."""
        return self.german.infinitive

    @property
    def past(self) -> str:
        """The one tense this verb tells the past in."""
        return "preterite" if self.german.preterite else "perfect"

    def object(self, case: str) -> Object | None:
        """Its object in a case without a preposition, if the frame has one."""
        return next((o for o in self.objects if o.case == case and not o.german_preposition), None)

    @property
    def prepositional(self) -> Object | None:
        return next((o for o in self.objects if o.german_preposition), None)


_CASES: Final[Mapping[str, str]] = {"acc": german.ACCUSATIVE, "dat": german.DATIVE}


def german_parts(text: str) -> GermanVerb:
    """Read "ein+laden <läd =geladen"."""
    infinitive, *marks = text.split()
    prefix, _, base = infinitive.rpartition("+")
    found = {mark[0]: mark[1:] for mark in marks if mark != "sein"}
    auxiliary = "sein" if "sein" in marks else "haben"
    participle = german.participle(base, found.get("=", ""), prefix)
    return GermanVerb(prefix, base, found.get("<", ""), participle, auxiliary, found.get("~", ""))


def english_parts(text: str) -> EnglishVerb:
    """Read "pick+up" or "put+on put put"."""
    first, *irregular = text.split()
    base, _, particle = first.partition("+")
    past, participle = irregular or regular(base)
    return EnglishVerb(base, past, participle, particle)


def _object(text: str) -> Object:
    head, _, classes = text.partition("=")
    head, _, english_preposition = head.partition("/")
    preposition, _, case = head.rpartition("+")
    return Object(_CASES[case], preposition, english_preposition.replace("-", ""), tuple(classes.split(",")))


def _parse(table: str) -> tuple[Verb, ...]:
    verbs = []
    for line in filter(None, table.splitlines()):
        parts, meaning, frame, extras = (field.strip() for field in line.split("|"))
        subjects, _, complements = frame.partition(":")
        objects: list[Object] = []
        local = {"goal": "", "place": ""}
        for complement in complements.split():
            kind, _, which = complement.partition(":")
            if kind in local:
                local[kind] = which or "any"
            else:
                objects.append(_object(complement))
        verbs.append(
            Verb(
                german_parts(parts),
                english_parts(meaning),
                tuple(subjects.strip().split(",")),
                tuple(objects),
                local["goal"],
                local["place"],
                frozenset(extras.split()),
            )
        )
    return tuple(verbs)


def _plain(parts: str, meaning: str) -> Verb:
    return Verb(german_parts(parts), english_parts(meaning), ("person",), (), "", "", frozenset())


VERBS: Final = _parse(_TABLE)
# Verbs whose object decides what they mean: trägt einen Hut, trägt einen Koffer; no pronoun stands for it.
TWO_MEANINGS: Final = frozenset({"tragen"})
BE: Final = _plain("sein =gewesen sein ~war", "be was been")
HAVE: Final = _plain("haben ~hatte", "have had had")
EXIST: Final = _plain("geben <gib ~gab", "be was been")  # es gibt: there is
COST: Final = _plain("kosten ~kostete", "cost cost cost")
RAIN: Final = (_plain("regnen", "rain"), _plain("schneien", "snow"))

# Verbs over a clause: dass (that), ob (whether) and zu with the infinitive.
THAT: Final = (
    _plain("glauben ~glaubte", "believe"),
    _plain("wissen =gewusst ~wusste", "know knew known"),
    _plain("sagen ~sagte", "say said said"),
    _plain("denken =gedacht ~dachte", "think thought thought"),
    _plain("hoffen ~hoffte", "hope"),
)
WHETHER: Final = (_plain("fragen ~fragte", "ask"),)
TO: Final = (
    _plain("versuchen", "try"),
    _plain("hoffen ~hoffte", "hope"),
    _plain("beschließen =beschlossen", "decide"),
    _plain("planen", "plan planned planned"),
    _plain("versprechen <versprich =versprochen", "promise"),
    _plain("an+fangen <fäng =gefangen", "begin began begun"),
)
