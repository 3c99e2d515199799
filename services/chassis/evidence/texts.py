"""What the verifier says to people, in Finnish, Swedish and English. A test demands every text in every language."""

from __future__ import annotations

from typing import Literal

Lang = Literal["fi", "sv", "en"]
LANGS: tuple[Lang, ...] = ("fi", "sv", "en")

_Texts = dict[str, tuple[str, str, str]]

VERDICTS: _Texts = {
    "receipt_ok": ("KUITTI ON AITO", "KVITTOT ÄR ÄKTA", "THE RECEIPT IS GENUINE"),
    "receipt_refused": ("KUITTI HYLÄTÄÄN", "KVITTOT UNDERKÄNNS", "THE RECEIPT IS REFUSED"),
    "manifest_ok": ("PÄIVÄLUETTELO PITÄÄ PAIKKANSA", "DAGSFÖRTECKNINGEN STÄMMER", "THE MANIFEST HOLDS"),
    "manifest_refused": (
        "PÄIVÄLUETTELO HYLÄTÄÄN",
        "DAGSFÖRTECKNINGEN UNDERKÄNNS",
        "THE MANIFEST IS REFUSED",
    ),
    "synthetic": (
        "Keksittyä esittelyaineistoa: tämä ei koske todellista asiakirjaa.",
        "Syntetiskt demonstrationsmaterial: detta gäller ingen verklig handling.",
        "Synthetic demonstration data: this is about no real document.",
    ),
}

STATUSES: _Texts = {
    "ok": ("kunnossa", "i ordning", "holds"),
    "failed": ("VIRHE", "FEL", "FAILED"),
    "not_checked": ("ei tarkastettu", "inte granskat", "not checked"),
}

CHECK_NAMES: _Texts = {
    "shape": ("Muoto", "Form", "Form"),
    "signature": ("Allekirjoitus", "Underskrift", "Signature"),
    "checkpoint": (
        "Lokin allekirjoitettu tarkistuspiste",
        "Loggens undertecknade kontrollpunkt",
        "Signed checkpoint of the log",
    ),
    "leaf": (
        "Tapahtuma on se, joka allekirjoitettiin",
        "Händelsen är den som undertecknades",
        "The event is the one that was signed",
    ),
    "inclusion": ("Tapahtuma on lokissa", "Händelsen finns i loggen", "The event is in the log"),
    "statement": (
        "Lausuma vastaa tapahtumaa",
        "Utsagan motsvarar händelsen",
        "The statement agrees with the event",
    ),
    "document": ("Asiakirja on tämä", "Handlingen är denna", "The document is this one"),
    "numbers": ("Luvut sopivat yhteen", "Talen stämmer överens", "The numbers fit together"),
    "sequence": (
        "Jäljennökset ovat aukottomasti järjestyksessä",
        "Kopiorna är i följd utan luckor",
        "The copies are in sequence without a gap",
    ),
    "day": (
        "Jäljennökset on kirjattu sinä päivänä",
        "Kopiorna är registrerade den dagen",
        "The copies were recorded on that day",
    ),
    "root": (
        "Jäljennöksistä laskettu tiiviste",
        "Kontrollsumman räknad ur kopiorna",
        "The root computed from the copies",
    ),
    "chain": ("Jatkaa edellistä päivää", "Fortsätter föregående dag", "Continues the day before"),
}

REASONS: _Texts = {
    "shape": (
        "tiedostosta puuttuu kenttä tai kentän muoto on väärä",
        "ett fält saknas eller har fel form",
        "a field is missing or has the wrong form",
    ),
    "bad_note": (
        "allekirjoitus tai avain ei kelpaa",
        "underskriften eller nyckeln duger inte",
        "the signature or the key does not hold",
    ),
    "wrong_signer": (
        "allekirjoittaja ei saa puhua tämän lokin puolesta",
        "undertecknaren får inte tala för denna logg",
        "the signer may not speak for this log",
    ),
    "leaf_differs": (
        "tapahtumaa on muutettu",
        "händelsen har ändrats",
        "the event has been altered",
    ),
    "wrong_log": (
        "tarkistuspiste on toisesta lokista",
        "kontrollpunkten hör till en annan logg",
        "the checkpoint is of another log",
    ),
    "wrong_position": (
        "todiste on lokin toisesta kohdasta",
        "beviset gäller en annan plats i loggen",
        "the proof is for another place in the log",
    ),
    "size_differs": (
        "todiste ei ole tästä tarkistuspisteestä",
        "beviset hör inte till denna kontrollpunkt",
        "the proof is not for this checkpoint",
    ),
    "not_included": (
        "todiste ei johda lokin tiivisteeseen",
        "beviset leder inte till loggens kontrollsumma",
        "the proof does not lead to the root of the log",
    ),
    "statement_differs": (
        "lausuma väittää muuta kuin tapahtuma",
        "utsagan säger annat än händelsen",
        "the statement says something else than the event",
    ),
    "clocks": (
        "kellonajat ovat virheelliset tai väärässä järjestyksessä",
        "tiderna är felaktiga eller i fel ordning",
        "the times are malformed or in the wrong order",
    ),
    "document_differs": (
        "kuitti ei koske tätä asiakirjaa",
        "kvittot gäller inte denna handling",
        "the receipt is not about this document",
    ),
    "event_unreadable": (
        "tapahtuma ei ole vastaanotettu asiakirja",
        "händelsen är inte en mottagen handling",
        "the event is not a received document",
    ),
    "no_document": ("asiakirjaa ei annettu", "ingen handling gavs", "no document was given"),
    "not_reached": (
        "aiempi virhe esti tarkastuksen",
        "ett tidigare fel hindrade granskningen",
        "an earlier failure prevented it",
    ),
    "numbers": (
        "ensimmäinen, viimeinen ja määrä eivät sovi yhteen",
        "första, sista och antal går inte ihop",
        "first, last and count do not fit together",
    ),
    "root_differs": (
        "tiiviste on toinen: jäljennöksiä on muutettu, lisätty tai poistettu",
        "kontrollsumman är en annan: kopior har ändrats, lagts till eller tagits bort",
        "the root differs: copies were altered, added or removed",
    ),
    "no_entries": ("jäljennöksiä ei annettu", "inga kopior gavs", "no copies were given"),
    "no_previous": (
        "edellisen päivän luetteloa ei annettu",
        "föregående dags förteckning gavs inte",
        "the manifest of the day before was not given",
    ),
    "fields_differ": (
        "luettavat kentät väittävät muuta kuin allekirjoitettu lausuma",
        "de läsbara fälten säger annat än den undertecknade utsagan",
        "the plain fields say something else than the signed statement",
    ),
    "entry_unreadable": (
        "jäljennöstä ei voi lukea",
        "en kopia kan inte läsas",
        "a copy cannot be read",
    ),
    "wrong_feed": (
        "jäljennös on toisesta syötteestä",
        "en kopia hör till ett annat flöde",
        "a copy is of another feed",
    ),
    "gap": (
        "järjestysnumero puuttuu, toistuu tai on väärä",
        "ett ordningsnummer saknas, upprepas eller är fel",
        "a sequence number is missing, repeated or wrong",
    ),
    "wrong_day": (
        "jäljennös on kirjattu toisena päivänä",
        "en kopia är registrerad en annan dag",
        "a copy was recorded on another day",
    ),
    "count_differs": (
        "jäljennöksiä on eri määrä kuin luettelossa",
        "antalet kopior är ett annat än i förteckningen",
        "there are not as many copies as the manifest says",
    ),
    "not_the_day_before": (
        "luettelo ei ole saman syötteen edelliseltä päivältä",
        "förteckningen är inte samma flödes föregående dag",
        "that is not the manifest of this feed for the day before",
    ),
    "chain_broken": (
        "luettelo ei jatka edellisestä: välistä puuttuu tai vanhaa on muutettu",
        "förteckningen fortsätter inte den föregående: något saknas eller har ändrats",
        "it does not continue the one before: something is missing or was rewritten",
    ),
    "unreadable": (
        "tiedostoa ei voi lukea",
        "filen kan inte läsas",
        "the file cannot be read",
    ),
    "too_large": (
        "tiedosto on liian suuri",
        "filen är för stor",
        "the file is too large",
    ),
    "not_json": (
        "tiedosto ei ole yksiselitteistä JSONia",
        "filen är inte entydig JSON",
        "the file is not unambiguous JSON",
    ),
    "bad_keys": (
        "avaintiedosto ei kelpaa",
        "nyckelfilen duger inte",
        "the key file is not usable",
    ),
}

FACTS: _Texts = {
    "document_id": ("Asiakirja", "Handling", "Document"),
    "authority_id": ("Viranomainen", "Myndighet", "Authority"),
    "service_point_id": ("Palvelupiste", "Serviceställe", "Service point"),
    "occurred": ("Vastaanotettu", "Mottagen", "Received"),
    "recorded": ("Kirjattu", "Registrerad", "Recorded"),
    "sealed": ("Sinetöity viimeistään", "Förseglad senast", "Sealed no later than"),
    "arrived": ("Viranomainen kuitannut", "Kvitterad av myndigheten", "Acknowledged by the authority"),
    "delay_seconds": ("Kirjattu viiveellä, s", "Registrerad efter, s", "Recorded after, s"),
    "agreement": ("Tunnettu sopimus", "Känt avtal", "Agreement known"),
    "verdict": ("Ratkaisu määräajasta", "Utslag om tidsfristen", "Verdict on the time limit"),
    "none": ("ei tiedossa", "inte känt", "not known"),
    "feed": ("Syöte", "Flöde", "Feed"),
    "day_of": ("Päivä", "Dag", "Day"),
    "range": ("Numerot ja määrä", "Nummer och antal", "Numbers and count"),
}


def say(texts: _Texts, key: str, lang: Lang) -> str:
    """The text in that language."""
    return texts[key][LANGS.index(lang)]
